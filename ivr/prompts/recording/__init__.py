"""Building and checking the recordings of the prompts. Building needs flite and sox."""

from ivr.prompts.recording.build_manifest import check
from ivr.prompts.recording.building import build
from ivr.prompts.recording.demo import DemoMessage, build_demo, demo_messages

__all__ = ["DemoMessage", "build", "build_demo", "check", "demo_messages"]
