"""Builds what imports from other voicemail systems work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpcore

from ivr.app import App
from ivr.errors import BadInput
from ivr.imports.app_voicemail import AppVoicemail
from ivr.imports.app_voicemail_database import AppVoicemailDatabase
from ivr.imports.box_import import BoxImport, PinList
from ivr.imports.freepbx_system import FREEPBX, FreePbx
from ivr.imports.fusionpbx import FUSIONPBX, FusionPbx
from ivr.imports.importer import Importer
from ivr.imports.kazoo import KAZOO, Kazoo
from ivr.imports.kazoo_client import KazooClient
from ivr.imports.mailbox_export import MailboxExport
from ivr.imports.message_follower import MessageFollower
from ivr.imports.message_import import MessageImport
from ivr.imports.source import ImportOptions
from ivr.imports.spool_export import SpoolExport
from ivr.imports.system import VoicemailSystem
from ivr.imports.verification import Verification
from ivr.storage.sources.app_voicemail_tables import AUDIO_COLUMN, AppVoicemailTables, TableSource
from ivr.storage.sources.fusionpbx_tables import FusionPbxTables
from ivr.storage.sources.mariadb import MariadbSource, is_mariadb_url
from ivr.storage.sources.mysql_dump import MysqlDump
from ivr.storage.sources.postgresql import PostgresqlSource


@contextmanager
def open_system(options: ImportOptions) -> Iterator[VoicemailSystem]:
    """Context with the system that is imported; its connections end with it. Raises `BadInput`, OSError."""
    with ExitStack() as connections:
        yield _build_system(options, connections)


def _build_system(options: ImportOptions, connections: ExitStack) -> VoicemailSystem:
    if options.system == KAZOO:
        pool = connections.enter_context(httpcore.ConnectionPool())
        client = KazooClient(options.origin["url"], read_secret(Path(options.origin["api_key_file"])), pool)
        return Kazoo(client, options.origin["account"])
    if options.system == FUSIONPBX:
        database = connections.enter_context(PostgresqlSource(options.origin["database"]))
        storage = options.origin.get("storage")
        return FusionPbx(FusionPbxTables(database), Path(storage) if storage else None)
    paths = {name: Path(text) for name, text in options.origin.items()}
    files = AppVoicemail(paths["conf"], paths["spool"])
    if options.system == FREEPBX:
        return FreePbx(files, paths.get("dump"), paths.get("extensions"), paths.get("astdb"))
    mailboxes, messages = (options.origin.get(name, "") for name in ("mailboxes_table", "messages_table"))
    if "dump" in paths:
        dump = MysqlDump(paths["dump"], {*filter(None, (mailboxes, messages))}, binary={AUDIO_COLUMN})
        return AppVoicemailDatabase(files, AppVoicemailTables(dump, mailboxes, messages))
    if "database" not in options.origin:
        return files
    address = options.origin["database"]
    tables: TableSource
    if is_mariadb_url(address):
        tables = connections.enter_context(MariadbSource(address))
    else:
        tables = connections.enter_context(PostgresqlSource(address))
    return AppVoicemailDatabase(files, AppVoicemailTables(tables, mailboxes, messages))


def describe_origin(options: ImportOptions) -> str:
    """Return where an imported system is, in a few words."""
    names = ("spool", "url", "account", "database", "dump", "storage")
    return " ".join(options.origin[name] for name in names if name in options.origin)


def read_secret(file: Path) -> str:
    """Return the key or the password that is the first line of a file. Raises `BadInput` if it is empty; OSError."""
    lines = file.read_text().split("\n")
    if not lines[0].strip():
        raise BadInput(f"{file} is empty: its first line is the secret")
    return lines[0].strip()


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
