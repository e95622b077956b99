"""Takes: recordings in progress, from the beep until they are delivered or discarded.

A take is a row, committed before the beep, and a file to which Asterisk appends. It ends in one of two ways: the
transaction that inserts the recording removes its row, or it is discarded. A greeting or name may wait for the decision
of its owner until the next login.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from ivr.audio import asterisk_recording
from ivr.clock import Clock
from ivr.errors import InvalidAudio, StoreError
from ivr.ids import IdGenerator
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.recording_check import Shortfall, find_shortfall
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.protocols import AudioStore, TakeStore
from ivr.storage.records import Caller, RecordingPurpose, Take

RECOVERY_LOCK = "recovery"
REPLACES_PAYLOAD_KEY = "replaces"
"""In the payload of a take that was recorded again: the id of the take before it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TakeSource:
    """The call in which a take is recorded."""

    channel: str
    call_id: str
    caller: Caller


OTHER_NODES_TIMEOUT_S = 0.5
"""How long a sign-in waits for a message of another node, whose caller may still be speaking."""
POLL_S = 0.05


class PendingDeliveries:
    """Messages that are recorded but not in their box yet: the fsync takes a moment."""

    def __init__(self, takes: Takes) -> None:
        self._takes = takes
        self._events_by_box: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def track(self, box_id: str) -> Iterator[None]:
        """Count a message as pending for the box while the context is open."""
        done = asyncio.Event()
        self._events_by_box[box_id].add(done)
        try:
            yield
        finally:
            done.set()
            self._events_by_box[box_id].discard(done)
            if not self._events_by_box[box_id]:
                del self._events_by_box[box_id]

    async def wait_until_done(self, box_id: str, timeout_s: float = 1.0) -> None:
        """Wait until the messages pending now are in the box, at most `timeout_s` seconds; less for other nodes.

        An owner who logs in right after a caller hung up then hears that message in the same call. Raises `StoreError`.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + OTHER_NODES_TIMEOUT_S
        if box_id in self._events_by_box:
            waits = [asyncio.ensure_future(done.wait()) for done in self._events_by_box[box_id]]
            try:
                await asyncio.wait(waits, timeout=timeout_s)
            finally:
                for wait in waits:
                    wait.cancel()
        while loop.time() < deadline_s:
            if not await self._takes.is_recorded_elsewhere(box_id):
                break
            await asyncio.sleep(POLL_S)


class Takes:
    """The takes of all calls of one node, whose folder has their files."""

    def __init__(
        self,
        store: TakeStore,
        recordings: AudioStore,
        clock: Clock,
        ids: IdGenerator,
        process_locks: ProcessLocks,
        node: str,
    ) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._ids = ids
        self._process_locks = process_locks
        self._node = node
        self._active_takes: dict[tuple[str, str], list[str]] = {}

    async def begin(
        self,
        account_id: str,
        box_id: str,
        purpose: RecordingPurpose,
        source: TakeSource,
        payload: Mapping[str, Any] | None = None,
    ) -> Take:
        """Begin a take; its file does not exist yet.

        The id of the future message or recording is assigned now, so that recovering a take twice creates one.
        """
        now = self._clock.now()
        take_id = self._ids.new_document_id()
        take = Take(
            id=take_id,
            account_id=account_id,
            box_id=box_id,
            purpose=purpose,
            channel=source.channel,
            path=str(self._recordings.take_path(take_id)),
            began_at=int(now),
            call_id=source.call_id,
            caller_number=source.caller.number,
            caller_name=source.caller.name,
            payload={
                "message_id": self._ids.new_message_id(now),
                "media_id": self._ids.new_document_id(),
                **(payload or {}),
            },
            node=self._node,
        )
        self._active_takes.setdefault((take.channel, take.call_id), []).append(take.id)
        self._process_locks.acquire(take.id)
        await self._store.begin(take)
        return take

    def is_in_progress(self, take: Take) -> bool:
        """Whether a call of this or another process has the take. That call then delivers or discards it."""
        return (take.channel, take.call_id) in self._active_takes or self._process_locks.is_locked(take.id)

    def release(self, channel: str, call_id: str) -> None:
        """Release the takes of a call that has ended. Unfinished ones are left to the recovery."""
        for take_id in self._active_takes.pop((channel, call_id), ()):
            self._process_locks.release(take_id)

    @contextmanager
    def recovery_lock(self) -> Iterator[bool]:
        """Context in which no other process recovers takes; False if another process is doing so."""
        acquired = self._process_locks.acquire(RECOVERY_LOCK)
        try:
            yield acquired
        finally:
            if acquired:
                self._process_locks.release(RECOVERY_LOCK)

    def length_ms(self, take: Take) -> int:
        """The current length of the recording; 0 if there is no file, or one that Asterisk did not record."""
        try:
            return asterisk_recording.length_ms(Path(take.path))
        except OSError:
            return 0
        except InvalidAudio as error:
            log.warning("take.refused", take=take.id, reason=str(error))
            return 0

    async def find_shortfall(self, take: Take, mailbox: Mailbox) -> Shortfall | None:
        """Return why the recording is too little for its purpose in `mailbox`; None if it is enough."""
        try:
            return await find_shortfall(Path(take.path), mailbox, take.purpose)
        except OSError:
            return Shortfall.TOO_SHORT
        except InvalidAudio as error:
            log.warning("take.refused", take=take.id, reason=str(error))
            return Shortfall.TOO_SHORT

    async def mark_urgent(self, take: Take, urgent: bool) -> None:
        """Set whether the future message is urgent. Raises `StoreError`."""
        await self._store.mark_urgent(take.id, urgent)

    async def mark_replacing(self, take: Take, replaced: Take) -> None:
        """Note that `take` replaces an earlier one as soon as it is long enough. Raises `StoreError`."""
        await self._store.mark_replacing(take.id, replaced.id)

    async def discard(self, take: Take) -> None:
        """Discard a take. The row is removed first, so that it is not recovered while its file is deleted."""
        await self._store.discard(take.id)
        await self.delete_file(take)

    async def delete_file(self, take: Take) -> None:
        """Delete the file of a take whose row is removed. One that cannot be deleted is logged."""
        try:
            await asyncio.to_thread(self._recordings.remove, Path(take.path))
        except StoreError as error:
            log.error("take.file_not_deleted", file=take.path, reason=str(error), remedy="delete it by hand")

    async def mark_awaiting_owner(self, take: Take) -> None:
        """Leave a greeting or name to its owner's decision. Of a mailbox and purpose, only the newest one is stored.

        The WAV header is repaired so that the recording can be played. Raises `NotFound`, `InvalidAudio` if there is no
        recording.
        """
        path = Path(take.path)
        try:
            # The file belongs to Asterisk's user, so it is replaced by a copy of our own.
            await asyncio.to_thread(self._recordings.copy_and_repair, path, path)
        except StoreError as error:
            log.warning("take.repair_failed", take=take.id, error=str(error))
        for older in await self._store.mark_awaiting_owner(take.id):
            await self.delete_file(older)
        log.info("take.awaiting_owner", take=take.id, box=take.box_id, purpose=take.purpose)

    async def list_awaiting_owner(self, box_id: str) -> list[Take]:
        """Takes of a mailbox that wait for a decision of its owner, and can be played here, oldest first."""
        return await self._present_here(await self._store.list_awaiting_owner(box_id))

    def state(self) -> tuple[bytes, int]:
        """Return a value that differs when a take may have begun or ended, or a file may be new in their folder.

        Costs microseconds.
        """
        return self._store.change_fingerprint(), self._recordings.takes_changed_at()

    async def list_unfinished(self) -> list[Take]:
        """All takes of this node that are neither delivered nor discarded, including those in progress.

        Of a node that is lost, or was renamed, those whose file is here.
        """
        return await self._present_here(await self._store.list_unfinished(self._node))

    async def is_recorded_elsewhere(self, box_id: str) -> bool:
        """Whether another node, which is running, records or delivers a message for the mailbox."""
        return await self._store.is_recorded_elsewhere(box_id, self._node)

    def is_own(self, take: Take) -> bool:
        """Whether the Asterisk of this node records a take into the folder of this node."""
        return take.node in (self._node, None) and Path(take.path).parent == self._recordings.takes_folder

    async def _present_here(self, takes: list[Take]) -> list[Take]:
        """Return the takes of this node, with or without a file, and others whose file is in its folder."""
        if all(map(self.is_own, takes)):
            return takes
        found = await asyncio.to_thread(lambda: [self._find_here(take) for take in takes])
        return [take for take in found if take]

    def _find_here(self, take: Take) -> Take | None:
        path = self._recordings.take_path(take.id)
        return take if self.is_own(take) else replace(take, path=str(path)) if path.exists() else None
