"""Carries over where owners move imported messages in the system that they are from.

A message that was used here since its import stays as it is here: from then on, this is the system of its owner. One
that was deleted there goes to the folder `deleted`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ivr.clock import Clock
from ivr.errors import NotFound, PreconditionFailed
from ivr.imports.import_target import ImportTarget, folder_of, source_id
from ivr.imports.system import SourceContent
from ivr.storage.protocols import ImportStore, MessageStore
from ivr.storage.records import ChangeReason, Folder, ImportedKind, ImportedObject, Message

PAGE_ROWS = 1000


class MessageFollower:
    """Carries over what owners do with imported messages in the other system."""

    def __init__(self, store: ImportStore, messages: MessageStore, clock: Clock) -> None:
        self._store = store
        self._messages = messages
        self._clock = clock

    async def apply(self, target: ImportTarget, found: SourceContent, *, with_deletions: bool) -> None:
        """Move messages to the folder that they have in `found`, and those that are not in it to `deleted`.

        Without a folder of the mailbox nothing is deleted: then it is the source that is missing.
        """
        mailbox = target.mailbox
        prefix = source_id(target.system.name, mailbox.account_id, target.source.key, "")
        there = {
            source_id(target.system.name, mailbox.account_id, message.source_id): message for message in found.messages
        }
        revisions = {
            one.target_id: int(one.fingerprint)
            for one in await self._store.list_imported(ImportedKind.MOVE, mailbox.id)
        }
        here = {message.id: message async for message in self._all_messages(mailbox.id)}
        names = {key.partition("#")[0] for key in there}
        for one in await self._store.list_imported(ImportedKind.MESSAGE, mailbox.id):
            message = here.get(one.target_id)
            is_followed = one.run_id and one.source_id.startswith(prefix)
            if message is None or not is_followed or message.revision != revisions.get(message.id, 1):
                continue
            source = there.get(one.source_id)
            is_there = source is not None or one.source_id.partition("#")[0] in names
            if source is None and (is_there or not with_deletions or not found.exists):
                continue
            folder = folder_of(target.options, source) if source else Folder.DELETED
            if folder is message.folder or not await self._move(target, one, message, folder):
                continue
            if is_there:
                target.report.moved += 1
            else:
                target.report.deleted += 1

    async def _move(self, target: ImportTarget, imported: ImportedObject, message: Message, folder: Folder) -> bool:
        try:
            stored = await self._messages.move_to_folder(
                message.box_id, message.id, folder, ChangeReason.API_REQUEST, expected_revision=message.revision
            )
        except (NotFound, PreconditionFailed):
            return False
        record = ImportedObject(
            kind=ImportedKind.MOVE,
            source_id=imported.source_id,
            account_id=message.account_id,
            box_id=message.box_id,
            target_id=message.id,
            fingerprint=str(stored.revision),
            run_id=target.run_id,
            at=int(self._clock.now()),
        )
        await self._store.add_imported([record])
        return True

    async def _all_messages(self, box_id: str) -> AsyncIterator[Message]:
        after = None
        while page := await self._messages.list_page(box_id, None, 0, after, PAGE_ROWS):
            for message in page:
                yield message
            after = page[-1].id
