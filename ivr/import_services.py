"""Builds what imports from other voicemail systems work with."""

from __future__ import annotations

from pathlib import Path

from ivr.app import App
from ivr.imports.app_voicemail import AppVoicemail
from ivr.imports.box_import import BoxImport, PinList
from ivr.imports.freepbx import FREEPBX, FreePbx
from ivr.imports.importer import Importer
from ivr.imports.mailbox_export import MailboxExport
from ivr.imports.message_follower import MessageFollower
from ivr.imports.message_import import MessageImport
from ivr.imports.source import ImportOptions
from ivr.imports.spool_export import SpoolExport
from ivr.imports.system import VoicemailSystem
from ivr.imports.verification import Verification


def open_system(options: ImportOptions) -> VoicemailSystem:
    """Return the system that is imported."""
    paths = {name: Path(text) for name, text in options.origin.items()}
    files = AppVoicemail(options.conf, options.spool)
    if options.system == FREEPBX:
        return FreePbx(files, paths.get("dump"), paths.get("extensions"), paths.get("astdb"))
    return files


def describe_origin(options: ImportOptions) -> str:
    """Return where an imported system is, in a few words."""
    return " ".join(options.origin[name] for name in ("spool",) if name in options.origin)


def build_importer(app: App, pins_file: Path | None) -> Importer:
    """Return imports that append generated PINs to a file."""
    return Importer(
        store=app.import_store,
        boxes=app.boxes,
        box_import=BoxImport(
            app.provisioning,
            app.boxes,
            app.random_bytes,
            system_name=app.settings.asterisk.system_name,
            pin_list=PinList(pins_file),
        ),
        message_import=MessageImport(
            store=app.import_store,
            recordings=app.recordings,
            clock=app.clock,
            ids=app.ids,
            follower=build_follower(app),
        ),
        clock=app.clock,
        ids=app.ids,
    )


def build_follower(app: App) -> MessageFollower:
    """Return what carries over changes of imported messages."""
    return MessageFollower(store=app.import_store, messages=app.messages, clock=app.clock)


def build_verification(app: App) -> Verification:
    """Return the verification of imports."""
    return Verification(
        store=app.import_store,
        messages=app.messages,
        recordings=app.recordings,
        boxes=app.boxes,
        pins=app.pins,
    )


def build_export(app: App) -> SpoolExport:
    """Return exports to app_voicemail."""
    return SpoolExport(
        store=app.import_store,
        messages=app.messages,
        mailbox_export=MailboxExport(
            store=app.import_store,
            recordings=app.recordings,
            clock=app.clock,
            audio_paths=app.delivery.audio_paths,
        ),
        pins=app.pins,
        clock=app.clock,
    )
