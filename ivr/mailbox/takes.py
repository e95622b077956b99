"""AudioStore in progress: begun, kept or dropped, and found again after a crash (design, idea 7).

A take is a row, committed before the beep, and a file that Asterisk lets grow. It ends in one of two ways: it becomes
a recording in the same transaction that removes its row, or it is dropped. One that only its owner can decide about
(a greeting, a name) may be put aside until they call again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ivr.audio import wav
from ivr.clock import Clock
from ivr.errors import StoreError
from ivr.ids import IdGenerator
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.protocols import AudioStore, TakeStore
from ivr.storage.records import Caller, RecordingPurpose, Take

RECOVERY_LOCK = "recovery"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TakeSource:
    """The call that a take is recorded in."""

    channel: str
    call_id: str
    caller: Caller


class Takes:
    """All takes of the installation."""

    def __init__(
        self, store: TakeStore, recordings: AudioStore, clock: Clock, ids: IdGenerator, process_locks: ProcessLocks
    ) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._ids = ids
        self._process_locks = process_locks
        self._active_takes: dict[tuple[str, str], list[str]] = {}

    async def begin(
        self,
        account_id: str,
        box_id: str,
        purpose: RecordingPurpose,
        source: TakeSource,
        payload: Mapping[str, Any] | None = None,
    ) -> Take:
        """A new take, of that box; its file does not exist yet. The id of what it will become is settled now, so that
        adopting it twice makes one recording."""
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
        )
        self._active_takes.setdefault((take.channel, take.call_id), []).append(take.id)
        self._process_locks.acquire(take.id)
        await self._store.begin(take)
        return take

    def is_in_progress(self, take: Take) -> bool:
        """Whether a call has it, of this process or another; what becomes of it is for that call to settle."""
        return (take.channel, take.call_id) in self._active_takes or self._process_locks.is_locked(take.id)

    def release(self, channel: str, call_id: str) -> None:
        """A call is over. What it has not settled is adopted."""
        for take_id in self._active_takes.pop((channel, call_id), ()):
            self._process_locks.release(take_id)

    @contextmanager
    def recovery_lock(self) -> Iterator[bool]:
        """While inside, no other process adopts what was left behind; False: another one is at it."""
        is_ours = self._process_locks.acquire(RECOVERY_LOCK)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._process_locks.release(RECOVERY_LOCK)

    def length_ms(self, take: Take) -> int:
        """How long it is so far; 0 where there is no file."""
        try:
            return wav.length_ms(Path(take.path))
        except OSError:
            return 0

    async def mark_urgent(self, take: Take, urgent: bool) -> None:
        """The message that the take becomes will be urgent, or not. Raises `StoreError`."""
        await self._store.mark_urgent(take.id, urgent)

    async def discard(self, take: Take) -> None:
        """It will never be heard: row first, so that nobody adopts it while its file goes."""
        await self._store.discard(take.id)
        await self.delete_file(take)

    async def delete_file(self, take: Take) -> None:
        """Take its file away; the row has gone with the transaction that kept it."""
        await asyncio.to_thread(self._recordings.remove, Path(take.path))

    async def mark_awaiting_owner(self, take: Take) -> None:
        """Its call ended before its owner decided: they will be asked. Only the newest of a box and purpose stays.

        Its header is mended, so that it can be played. Raises `NotFound`, `InvalidAudio` where there is no recording.
        """
        path = Path(take.path)
        try:
            await asyncio.to_thread(
                self._recordings.copy_and_repair, path, path
            )  # It is Asterisk's file: only a copy is ours.
        except StoreError as error:
            log.warning("take.not_mended", take=take.id, error=str(error))
        for older in await self._store.mark_awaiting_owner(take.id):
            await self.delete_file(older)
        log.info("take.put_aside", take=take.id, box=take.box_id, purpose=take.purpose)

    async def list_awaiting_owner(self, box_id: str) -> list[Take]:
        """What the owner of a box has still to decide about, oldest first."""
        return await self._store.list_awaiting_owner(box_id)

    async def list_unfinished(self) -> list[Take]:
        """All that were neither kept nor dropped, those in progress among them."""
        return await self._store.list_unfinished()
