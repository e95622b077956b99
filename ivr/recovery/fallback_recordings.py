"""Imports fallback recordings: what the dialplan recorded while the service was unavailable becomes a message, once.

The dialplan leaves `fallback-<account>-<box>-<caller>-<epoch>-<unique id>.wav` in the folder of takes. Each part
consists of letters, digits and "_"; the dialplan removes other characters (docs/dialplan.md). The message id is derived
from the file name, so a crash between the row and the removal of the file creates no second message.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import structlog

from ivr.clock import EARLIEST_PLAUSIBLE_TIME, Clock, RetentionClock, date_of
from ivr.directory.directory import DEFAULT_CONTEXT
from ivr.errors import InvalidAudio, IvrError
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.recording_check import find_shortfall
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.storage.protocols import AudioStore
from ivr.storage.records import BoxNumberUse, Caller, RecordingPurpose

FILE_PREFIX = "fallback-"
FILE_NAME_PATTERN = re.compile(r"fallback-(\w*)-(\w+)-(\w*)-(\d{1,11})-(\w+)\.wav", re.ASCII)
ANONYMOUS = "anonymous"
STRIPPED_CHARACTERS = re.compile(r"\W", re.ASCII)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecoveryTiming:
    """Intervals of the recovery, in seconds."""

    interval_s: float = 1.0
    """Between two runs."""
    runs_per_forced_run: int = 10
    """A run is skipped if the last one found nothing and nothing has changed since, but not so many in succession."""
    stable_after_s: float = 5.0
    """A file that has not grown for this long is finished: Asterisk flushes a recording at least every 2.1 s."""
    retry_after_s: float = 30.0
    """After a failure, such as a full disk or a locked database."""
    undelivered_days: int = 90
    """After this time a recording is removed that cannot become a message, such as one for an unknown mailbox."""


DEFAULT_TIMING = RecoveryTiming()


class GrowthMonitor:
    """Measures for how long files have not grown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_growth: dict[str, tuple[int, float]] = {}

    def unchanged_for_s(self, path: str, size: int) -> float:
        """Record the current size of a file. Return the seconds since it was first seen with that size."""
        now = self._clock.monotonic()
        previous_size, since = self._last_growth.get(path, (-1, now))
        self._last_growth[path] = (size, since if size == previous_size else now)
        return now - self._last_growth[path][1]

    def retain_only(self, paths: Collection[str]) -> None:
        """Remove all other files from the monitor."""
        self._last_growth = {path: growth for path, growth in self._last_growth.items() if path in paths}


@dataclass(frozen=True, slots=True)
class FallbackRecording:
    """A fallback recording, as described by its file name."""

    path: Path
    account_name: str
    box_number: str
    caller_number: str
    recorded_at: int
    """Unix seconds."""

    @property
    def message_id(self) -> str:
        """Always the same for one file name."""
        digest = hashlib.sha256(self.path.name.encode()).hexdigest()[:32]
        return f"{date_of(self.recorded_at, UTC):%Y%m}-{digest}"


def parse_file_name(path: Path) -> FallbackRecording | None:
    """Parse a file name; None if the dialplan creates no such name. Its time may be that of a wrong clock."""
    match = FILE_NAME_PATTERN.fullmatch(path.name)
    if match is None:
        return None
    caller_number = "" if match[3] == ANONYMOUS else match[3]
    return FallbackRecording(path, match[1], match[2], caller_number, int(match[4]))


class FallbackRecordingImporter:
    """Delivers each fallback recording when its file has stopped growing."""

    def __init__(
        self,
        boxes: Boxes,
        delivery: Delivery,
        recordings: AudioStore,
        clock: Clock,
        retention_clock: RetentionClock,
        timing: RecoveryTiming = DEFAULT_TIMING,
    ) -> None:
        self._boxes = boxes
        self._delivery = delivery
        self._recordings = recordings
        self._clock = clock
        self._retention_clock = retention_clock
        self._timing = timing
        self._growth_monitor = GrowthMonitor(clock)
        self._reported: set[str] = set()
        self._retry_at: dict[str, float] = {}

    async def run_once(self) -> bool:
        """Import the recordings that are finished. Return whether there were any, finished or not."""
        sizes = await asyncio.to_thread(self._recordings.take_file_sizes, FILE_PREFIX)
        for path, size in sizes.items():
            is_finished = self._growth_monitor.unchanged_for_s(path, size) >= self._timing.stable_after_s
            if is_finished and self._clock.monotonic() >= self._retry_at.get(path, 0):
                await self._import_recording(Path(path))
        self._growth_monitor.retain_only(sizes)
        self._reported &= sizes.keys()
        self._retry_at = {path: at for path, at in self._retry_at.items() if path in sizes}
        return bool(sizes)

    async def has_pending(self) -> bool:
        """Whether a recording has not been tried yet or is due for a retry."""
        sizes = await asyncio.to_thread(self._recordings.take_file_sizes, FILE_PREFIX)
        return any(self._clock.monotonic() >= self._retry_at.get(path, 0) for path in sizes)

    async def _import_recording(self, path: Path) -> None:
        try:
            await self._deliver_or_postpone(path)
        except (IvrError, OSError) as error:
            retry_in_s = self._timing.retry_after_s
            log.error("fallback_recording.failed", file=path.name, reason=str(error), retry_in_s=retry_in_s)
            self._retry_at[str(path)] = self._clock.monotonic() + retry_in_s

    async def _deliver_or_postpone(self, path: Path) -> None:
        try:
            recording = parse_file_name(path)
            mailbox = await _find_mailbox(self._boxes, recording) if recording else None
            if recording is None:
                await self._postpone(
                    path, "not a file name that the dialplan creates", "find out what wrote the file and move it away"
                )
            elif mailbox is None:
                await self._postpone(
                    path,
                    f"no mailbox {recording.box_number!r} in an account {recording.account_name!r}",
                    "create the mailbox, or move the file away",
                )
            elif shortfall := await find_shortfall(path, mailbox, RecordingPurpose.MESSAGE):
                log.info("fallback_recording.discarded", file=path.name, reason=str(shortfall))
                await asyncio.to_thread(self._recordings.remove, path)
            else:
                caller = Caller(recording.caller_number)
                copies_for = await self._find_copy_recipients(mailbox)
                await self._delivery.deliver_fallback_recording(
                    path, mailbox, recording.message_id, caller, self._time_of(recording), copies_for
                )
                log.info("fallback_recording.delivered", file=path.name, message=recording.message_id, box=mailbox.id)
        except InvalidAudio as error:
            await self._postpone(path, str(error), "examine the file and move it away")

    async def _find_copy_recipients(self, mailbox: Mailbox) -> list[Mailbox]:
        """Return the mailboxes that get a copy of what callers leave in `mailbox`."""
        numbers = mailbox.settings.copy_to
        found = [await self._boxes.find_by_number(mailbox.account_id, number) for number in numbers]
        return [box for box in found if box and box.settings.enabled and box.id != mailbox.id]

    def _time_of(self, recording: FallbackRecording) -> int:
        """Return when the message was left; the present time if the clock was not set then, or is set back since."""
        now = int(self._clock.now())
        was_unset = recording.recorded_at < EARLIEST_PLAUSIBLE_TIME <= now
        return now if was_unset else min(recording.recorded_at, now)

    async def _postpone(self, path: Path, reason: str, remedy: str) -> None:
        """Leave the file: it may hold a message, and the mailbox may be created later. Log it once.

        It has no owner who could delete it, so it is removed after `undelivered_days`.
        """
        self._retry_at[str(path)] = self._clock.monotonic() + self._timing.retry_after_s
        try:
            recorded_at = (await asyncio.to_thread(path.lstat)).st_mtime
        except FileNotFoundError:  # Asterisk, or who administers it, has moved the file away.
            return
        if self._retention_clock.now() - recorded_at > self._timing.undelivered_days * DAY_S:
            await asyncio.to_thread(self._recordings.remove, path)
            log.warning("fallback_recording.expired", file=path.name, reason=reason)
        elif str(path) not in self._reported:
            self._reported.add(str(path))
            log.error("fallback_recording.not_delivered", file=str(path), reason=reason, remedy=remedy)


async def list_waiting(boxes: Boxes, recordings: AudioStore) -> list[tuple[FallbackRecording, Mailbox]]:
    """Return the recordings that are not delivered yet, with their mailboxes; not those of unknown mailboxes."""
    paths = await asyncio.to_thread(recordings.take_file_sizes, FILE_PREFIX)
    waiting = [found for path in sorted(paths) if (found := parse_file_name(Path(path)))]
    mailboxes = [await _find_mailbox(boxes, recording) for recording in waiting]
    return [(recording, mailbox) for recording, mailbox in zip(waiting, mailboxes, strict=True) if mailbox]


async def _find_mailbox(boxes: Boxes, recording: FallbackRecording) -> Mailbox | None:
    """Return the mailbox of a recording; None if there is none or if several accounts match."""
    uses = await boxes.list_uses_of_number(recording.box_number)
    if recording.account_name:
        named = [use for use in uses if recording.account_name in _dialplan_names(use)]
        uses = named if named or recording.account_name != DEFAULT_CONTEXT else uses
    return await boxes.get(uses[0].box_id) if len(uses) == 1 else None


def _dialplan_names(use: BoxNumberUse) -> set[str]:
    """The names that the dialplan may use for the account, without the characters that it removes."""
    return {STRIPPED_CHARACTERS.sub("", name) for name in (use.account_id, use.account_name, use.realm) if name}
