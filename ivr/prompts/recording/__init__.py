"""Building and checking the recordings of the prompts. Building needs a synthesiser and sox."""

from ivr.prompts.recording.build_manifest import check
from ivr.prompts.recording.building import build
from ivr.prompts.recording.demo import DemoMessage, build_demo, demo_messages
from ivr.prompts.recording.speakers import PROMPT_VOICE, find_speaker

__all__ = ["PROMPT_VOICE", "DemoMessage", "build", "build_demo", "check", "demo_messages", "find_speaker"]
