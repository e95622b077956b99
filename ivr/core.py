"""Builds what a call needs, and nothing else: the store, the rules, and the mailroom that menus are given.

Apart from `ivr.app`, which builds everything, because a call over classic AGI begins with importing all that it uses.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from ivr.clock import Clock, SystemClock
from ivr.directory.directory import Directory
from ivr.directory.pin_lockout import PinLockout
from ivr.directory.secret_store import SecretStore
from ivr.ids import IdGenerator
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.capacity import Room
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greetings import Greetings
from ivr.mailbox.pins import Pins
from ivr.mailbox.takes import Takes
from ivr.menus.context import VoicemailServices
from ivr.paths import read_or_create_secret
from ivr.settings import Settings
from ivr.storage.audio_folder import Recordings
from ivr.storage.process_locks import Attendance
from ivr.storage.sqlite import events as asked
from ivr.storage.sqlite.boxes import SqliteBoxes
from ivr.storage.sqlite.calls import SqliteCalls
from ivr.storage.sqlite.database import Database
from ivr.storage.sqlite.media import SqliteMedia
from ivr.storage.sqlite.messages import SqliteMessages
from ivr.storage.sqlite.takes import SqliteTakes


@dataclass(frozen=True)
class Core:
    """One installation, as a call needs it."""

    settings: Settings
    clock: Clock
    ids: IdGenerator
    pepper: bytes
    database: Database
    directory: Directory
    boxes: Boxes
    messages: SqliteMessages
    recordings: Recordings
    process_locks: Attendance
    takes: Takes
    delivery: Delivery
    media: SqliteMedia
    secret_store: SecretStore
    pin_lockout: PinLockout
    call_store: SqliteCalls
    voicemail_services: VoicemailServices


def build_core(
    settings: Settings, clock: Clock | None = None, on_pin_failure: Callable[[bool], None] = lambda _: None
) -> Core:
    """Open the data folder and build what a call works on. Raises `StoreError`, `SettingsError`."""
    clock = clock or SystemClock()
    ids = IdGenerator(secrets.token_bytes)
    folder = settings.data.folder
    recordings = Recordings(folder)
    recordings.prepare()
    database = Database(folder / "ivr.db", busy_timeout_ms=settings.data.busy_ms, sync=settings.data.sync)
    directory = Directory(database, clock, ids, asked.enqueue_phone_mwi)
    pepper = read_or_create_secret(folder / "pepper").encode()
    kept = SecretStore(database, pepper, settings.pins.cost)
    failures = PinLockout(database, clock, asked.enqueue_box_locked)
    pins = Pins(kept, failures, on_pin_failure)
    boxes = Boxes(SqliteBoxes(database, clock), directory, pins, settings.voicemail, ids)
    messages = SqliteMessages(database, clock)
    attendance = Attendance(folder / "attended")
    takes = Takes(SqliteTakes(database), recordings, clock, ids, attendance)
    delivery = Delivery(messages, takes, recordings, clock, ids)
    media = SqliteMedia(database, clock)
    mailroom = VoicemailServices(
        directory,
        boxes,
        messages,
        pins,
        takes,
        delivery,
        Greetings(media, takes, recordings, clock),
        Room(messages, clock),
        settings.voicemail,
        settings.asterisk.system,
        clock,
    )
    return Core(
        settings=settings,
        clock=clock,
        ids=ids,
        pepper=pepper,
        database=database,
        directory=directory,
        boxes=boxes,
        messages=messages,
        recordings=recordings,
        process_locks=attendance,
        takes=takes,
        delivery=delivery,
        media=media,
        secret_store=kept,
        pin_lockout=failures,
        call_store=SqliteCalls(database, ids),
        voicemail_services=mailroom,
    )
