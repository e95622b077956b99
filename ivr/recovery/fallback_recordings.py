"""What the dialplan recorded by itself while the service was down becomes a message at the next start, once.

It leaves `fallback-<account>-<box>-<caller>-<epoch>-<unique id>.wav` in the folder of takes; each part has letters, digits
and "_" only, what else was in it being left out (docs/dialplan.md). The id of the message follows from the name of the
file, so that a crash between the row and the end of the file makes no second one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from ivr.audio import wav
from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.directory.models import Account
from ivr.errors import InvalidAudio, IvrError
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.recovery.file_stability import GrowthMonitor
from ivr.storage.protocols import AudioStore
from ivr.storage.records import Caller

FILE_PREFIX = "fallback-"
FILE_NAME_PATTERN = re.compile(r"fallback-(\w*)-(\w+)-(\w*)-(\d{9,11})-(\w+)\.wav", re.ASCII)
ANONYMOUS = "anonymous"
STRIPPED_CHARACTERS = re.compile(r"\W", re.ASCII)
RETRY_AFTER_S = 30.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FallbackRecording:
    """One such file, as its name tells."""

    path: Path
    account_name: str
    box_number: str
    caller_number: str
    recorded_at: int
    """Unix seconds."""

    @property
    def message_id(self) -> str:
        """The same for the same file, whenever it is asked for."""
        digest = hashlib.sha256(self.path.name.encode()).hexdigest()[:32]
        return f"{datetime.fromtimestamp(self.recorded_at, UTC):%Y%m}-{digest}"


def parse_file_name(path: Path, now: float) -> FallbackRecording | None:
    """What the name of a file says; None where it is none of these names, or from a time that cannot be."""
    found = FILE_NAME_PATTERN.fullmatch(path.name)
    if found is None or int(found[4]) > now + DAY_S:
        return None
    return FallbackRecording(path, found[1], found[2], "" if found[3] == ANONYMOUS else found[3], int(found[4]))


class FallbackRecordingImporter:
    """Adopts them, each when its file has not grown for a while."""

    def __init__(
        self, directory: Directory, boxes: Boxes, delivery: Delivery, recordings: AudioStore, clock: Clock
    ) -> None:
        self._directory = directory
        self._boxes = boxes
        self._delivery = delivery
        self._recordings = recordings
        self._clock = clock
        self._growth_monitor = GrowthMonitor(clock)
        self._reported: set[str] = set()
        self._retry_at: dict[str, float] = {}

    async def run_once(self, stable_for_s: float) -> None:
        """Adopt those that have been quiet for so long."""
        found = await asyncio.to_thread(self._recordings.take_file_sizes, FILE_PREFIX)
        for path, size in found.items():
            is_quiet = self._growth_monitor.unchanged_for_s(path, size) >= stable_for_s
            if is_quiet and self._clock.monotonic() >= self._retry_at.get(path, 0):
                await self._import_recording(Path(path))
        self._growth_monitor.retain_only(found)
        self._reported &= found.keys()
        self._retry_at = {path: at for path, at in self._retry_at.items() if path in found}

    async def has_pending(self) -> bool:
        """Whether there is one that has not been tried yet, or is due to be tried again."""
        found = await asyncio.to_thread(self._recordings.take_file_sizes, FILE_PREFIX)
        return any(self._clock.monotonic() >= self._retry_at.get(path, 0) for path in found)

    async def _import_recording(self, path: Path) -> None:
        try:
            recorded = parse_file_name(path, self._clock.now())
            mailbox = await self._find_mailbox(recorded) if recorded else None
            if recorded is None:
                self._postpone(path, "its name is none that the dialplan gives", "look who wrote it, and move it away")
            elif mailbox is None:
                self._postpone(
                    path,
                    f"there is no box {recorded.box_number!r} in an account {recorded.account_name!r}",
                    "make the box, or move the file away",
                )
            elif wav.length_ms(path) < mailbox.voicemail_settings.min_message_size:
                log.info("alone.dropped", file=path.name, reason="shorter than the minimum")
                await asyncio.to_thread(self._recordings.remove, path)
            else:
                caller = Caller(recorded.caller_number)
                await self._delivery.deliver_fallback_recording(
                    path, mailbox, recorded.message_id, caller, recorded.recorded_at
                )
                log.info("alone.adopted", file=path.name, message=recorded.message_id, box=mailbox.id)
        except InvalidAudio as reason:
            self._postpone(path, str(reason), "look what is in it, and move it away")
        except (IvrError, OSError) as error:
            log.error("alone.not_adopted", file=path.name, reason=str(error), again_in_s=RETRY_AFTER_S)
            self._retry_at[str(path)] = self._clock.monotonic() + RETRY_AFTER_S

    def _postpone(self, path: Path, reason: str, remedy: str) -> None:
        """Never deleted: somebody may have said something in it. Told once, and tried again: a box can be made."""
        self._retry_at[str(path)] = self._clock.monotonic() + RETRY_AFTER_S
        if str(path) not in self._reported:
            self._reported.add(str(path))
            log.error("alone.kept", file=str(path), reason=reason, remedy=remedy)

    async def _find_mailbox(self, recording: FallbackRecording) -> Mailbox | None:
        """The box; None where there is none, or where several accounts could be meant."""
        accounts = await self._directory.accounts()
        if recording.account_name:
            accounts = [one for one in accounts if recording.account_name in _dialplan_names(one)]
        boxes = [await self._boxes.find_by_number(account.id, recording.box_number) for account in accounts]
        found = [box for box in boxes if box]
        return found[0] if len(found) == 1 else None


def _dialplan_names(account: Account) -> set[str]:
    """What the dialplan may call it."""
    return {STRIPPED_CHARACTERS.sub("", name) for name in (account.id, account.name, account.realm) if name}
