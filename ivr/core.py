"""Builds what a call needs, and nothing else: the store, the rules, and the mailroom that menus are given.

Apart from `ivr.app`, which builds everything, because a call over classic AGI begins with importing all that it uses.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from ivr.clock import Clock, SystemClock
from ivr.database.file import Database
from ivr.directory.directory import Directory
from ivr.directory.failures import Failures
from ivr.directory.secrets import Secrets
from ivr.ids import Ids
from ivr.mailbox.attendance import Attendance
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greetings import Greetings
from ivr.mailbox.pins import Pins
from ivr.mailbox.recordings import Recordings
from ivr.mailbox.room import Room
from ivr.mailbox.sqlite import outbox as asked
from ivr.mailbox.sqlite.boxes import SqliteBoxes
from ivr.mailbox.sqlite.calls import SqliteCalls
from ivr.mailbox.sqlite.media import SqliteMedia
from ivr.mailbox.sqlite.messages import SqliteMessages
from ivr.mailbox.sqlite.takes import SqliteTakes
from ivr.mailbox.takes import Takes
from ivr.menus.visit import Mailroom
from ivr.places import secret_file
from ivr.settings import Settings


@dataclass(frozen=True)
class Core:
    """One installation, as a call needs it."""

    settings: Settings
    clock: Clock
    ids: Ids
    pepper: bytes
    database: Database
    directory: Directory
    boxes: Boxes
    messages: SqliteMessages
    recordings: Recordings
    attendance: Attendance
    takes: Takes
    delivery: Delivery
    media: SqliteMedia
    secrets: Secrets
    failures: Failures
    calls: SqliteCalls
    mailroom: Mailroom


def build_core(
    settings: Settings, clock: Clock | None = None, pin_refused: Callable[[bool], None] = lambda _: None
) -> Core:  # fmt: skip
    """Open the data folder and build what a call works on. Raises `StoreError`, `SettingsError`."""
    clock = clock or SystemClock()
    ids = Ids(secrets.token_bytes)
    folder = settings.data.folder
    recordings = Recordings(folder)
    recordings.prepare()
    database = Database(folder / "ivr.db", busy_ms=settings.data.busy_ms, sync=settings.data.sync)
    directory = Directory(database, clock, ids, asked.phone)
    pepper = secret_file(folder / "pepper").encode()
    kept = Secrets(database, pepper, settings.pins.cost)
    failures = Failures(database, clock, asked.locked)
    pins = Pins(kept, failures, pin_refused)
    boxes = Boxes(SqliteBoxes(database, clock), directory, pins, settings.voicemail, ids)
    messages = SqliteMessages(database, clock)
    attendance = Attendance(folder / "attended")
    takes = Takes(SqliteTakes(database), recordings, clock, ids, attendance)
    delivery = Delivery(messages, takes, recordings, clock, ids)
    media = SqliteMedia(database, clock)
    mailroom = Mailroom(
        directory, boxes, messages, pins, takes, delivery, Greetings(media, takes, recordings, clock),
        Room(messages, clock), settings.voicemail, settings.asterisk.system, clock,
    )  # fmt: skip
    return Core(
        settings=settings, clock=clock, ids=ids, pepper=pepper, database=database, directory=directory, boxes=boxes,
        messages=messages, recordings=recordings, attendance=attendance, takes=takes, delivery=delivery,
        media=media, secrets=kept, failures=failures, calls=SqliteCalls(database, ids), mailroom=mailroom,
    )  # fmt: skip
