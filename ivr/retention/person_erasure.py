"""Finding and erasing everything that is stored about one person: a user, or a caller's number.

Messages are removed in batches, so that no call waits long for the database; the rest follows in one transaction. An
interrupted run is repeated from the beginning and finds what remains. The files of removed rows are listed in
tombstones, so retention removes those that an interrupted run has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import BadInput, StoreError
from ivr.mailbox.caller_id import NumberPlan, dial_forms, identify
from ivr.mailbox.renditions import AudioRenditions
from ivr.retention.worker import RetentionWorker
from ivr.storage.protocols import AudioStore, PersonStore
from ivr.storage.records import Caller, Message, PersonContent, PersonQuery

BATCH_SIZE = 100
MAX_PASSES = 20
"""Messages may arrive while earlier ones are removed."""


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What was erased, or would be."""

    content: PersonContent
    """What was found at first."""
    messages: int
    """Messages that were removed, those that arrived meanwhile included."""
    renditions: int
    """Cached renditions that were removed."""


class PersonErasure:
    """Erases people. `renditions`: the caches of renditions. `audio_paths`: the files of a message."""

    def __init__(
        self,
        *,
        store: PersonStore,
        retention_worker: RetentionWorker,
        recordings: AudioStore,
        renditions: Sequence[AudioRenditions],
        audio_paths: Callable[[Message], list[Path]],
    ) -> None:
        self._store = store
        self._retention_worker = retention_worker
        self._recordings = recordings
        self._renditions = renditions
        self._audio_paths = audio_paths

    async def find(self, query: PersonQuery) -> PersonContent:
        """Return everything that is stored about a person."""
        return await self._store.find(query)

    async def erase(self, query: PersonQuery) -> ErasureReport:
        """Remove everything that is stored about a person, but calls that are in progress.

        Raises `StoreError` while the store of recordings does not answer; all rows are erased then.
        """
        found = content = await self._store.find(query)
        messages = renditions = 0
        for _ in range(MAX_PASSES):
            renditions += await self._forget_renditions(content)
            await self._purge_messages(content)
            messages += len(content.messages)
            await self._store.purge_rest(query, content)
            query = PersonQuery(query.account_id, None, query.is_number, query.addresses)
            content = await self._store.find(query)
            if not content.messages:
                break
        await self._retention_worker.purge_search_words()
        await self._store.truncate_log()
        await self._unlink_files()
        return ErasureReport(found, messages, renditions)

    async def _unlink_files(self) -> None:
        try:
            while await self._retention_worker.unlink_pending():
                pass
        except StoreError as error:
            what = "all rows are erased, and the retention worker removes the recordings once their store answers"
            raise StoreError(f"{what}: {error}") from error

    async def _forget_renditions(self, content: PersonContent) -> int:
        recordings = [self._audio_paths(message) for message in (*content.messages, *content.forwarded)]
        recordings += [[self._recordings.media_path(media.account_id, media.id)] for media in content.media]
        await self._recordings.fetch(*(path for paths in recordings for path in paths))  # Renditions are named by size.
        return sum([await asyncio.to_thread(renditions.forget, recordings) for renditions in self._renditions])

    async def _purge_messages(self, content: PersonContent) -> None:
        for start in range(0, max(len(content.messages), len(content.forwarded)), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            await self._store.purge_messages(content.messages[batch], content.forwarded[batch])


def number_matcher(numbers: Sequence[str], plan: NumberPlan) -> Callable[[str], bool]:
    """Return a function that recognises the numbers of a person in the forms that networks report.

    A phone without a caller id calls by its SIP name, such as `alice-desk`, which counts as a number. Raises `BadInput`
    for a withheld number, which many callers share, and for what is neither.
    """
    wanted: set[str] = set()
    for text in numbers:
        forms = _forms(text, plan)
        if not forms:
            raise BadInput(
                f"{text!r} is not a number of one caller: give it as 'ivr calls list' shows it, such as +4930123456"
            )
        wanted |= forms

    def is_number(reported: str) -> bool:
        return bool(reported and wanted) and not wanted.isdisjoint(_forms(reported, plan))

    return is_number


def _forms(text: str, plan: NumberPlan) -> set[str]:
    """Return all ways to write a number, or the SIP name; none for a number that is withheld or unknown."""
    identity = identify(Caller(text))
    if identity.number:
        return {identity.number, *dial_forms(identity.number, plan, ["received", "plus"])}
    return {identity.name.casefold()} if identity.name and not identity.is_withheld else set()
