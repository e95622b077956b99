"""The source of an import: what is imported of another voicemail system, and the accounts that it goes to."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.directory.models import Account
from ivr.errors import BadInput, Conflict, NotFound
from ivr.imports.app_voicemail import APP_VOICEMAIL
from ivr.imports.system import Note, NoteLevel, SourceMailbox, VoicemailSystem
from ivr.imports.voicemail_conf import VoicemailConf, is_folder_name

LEFT_OUT = "-"
"""In the place of an account: a context that is not imported."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is imported, and how. The words are those of the command's options."""

    system: str
    origin: Mapping[str, str]
    """Where the system is: its files, its database or its address, by the names of the options. No secret."""
    contexts: Mapping[str, str] = field(default_factory=dict)
    """Account by context."""
    boxes: tuple[str, ...] = ()
    """`number@context` of the mailboxes to import; empty: all."""
    only: frozenset[str] = frozenset({"boxes", "greetings", "messages"})
    short_pins: str = "new"
    weak_pins: str = "must-change"
    folders: Mapping[str, str] = field(default_factory=dict)
    """Folder here by the name of the folder at the source, for those that do not exist here."""
    retention: str = "from-import"

    @property
    def conf(self) -> Path:
        """The voicemail.conf. Raises `Conflict` if the system has none that Asterisk uses."""
        return self._file("conf")

    @property
    def spool(self) -> Path:
        """The spool. Raises `Conflict` if the messages of the system are not in one."""
        if "messages_table" in self.origin:
            raise Conflict(
                f"the messages of {self.system} are in a database: repeat the import for those that came since"
            )
        return self._file("spool")

    def to_document(self) -> dict[str, Any]:
        """Return the options as JSON."""
        return {
            "system": self.system,
            "origin": dict(self.origin),
            "contexts": dict(self.contexts),
            "boxes": list(self.boxes),
            "only": sorted(self.only),
            "short_pins": self.short_pins,
            "weak_pins": self.weak_pins,
            "folders": dict(self.folders),
            "retention": self.retention,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ImportOptions:
        """Return the options of JSON."""
        rest = {key: value for key, value in document.items() if key not in ("conf", "spool")}
        files = {key: str(document[key]) for key in ("conf", "spool") if key in document}
        return cls(
            **{
                "system": APP_VOICEMAIL,
                "origin": files,
                **rest,
                "boxes": tuple(document["boxes"]),
                "only": frozenset(document["only"]),
            }
        )

    def _file(self, name: str) -> Path:
        if name not in self.origin:
            raise Conflict(f"the last import is of {self.system}, which has no {name} on this machine")
        return Path(self.origin[name])


@dataclass(frozen=True, slots=True)
class SourceBox:
    """A mailbox of the source. `definition` None: the system has messages for it, and does not define it."""

    number: str
    context: str
    account: Account
    definition: SourceMailbox | None

    @property
    def key(self) -> str:
        return f"{self.number}@{self.context}"


@dataclass
class Source:
    """What there is to import. `refusals`: why nothing may be imported before the administrator decides.

    `keys`: the names of all mailboxes of the source, also of those that are not imported.
    """

    conf: VoicemailConf
    boxes: list[SourceBox] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    keys: frozenset[str] = frozenset()


def read_source(system: VoicemailSystem, options: ImportOptions, accounts: Sequence[Account]) -> Source:
    """Read which mailboxes there are, and where each of them goes.

    Raises `NotFound`, `BadInput`, `StoreError`, OSError.
    """
    found = system.read_boxes()
    source = Source(found.conf, notes=list(found.notes), keys=frozenset(found.mailboxes))
    if unknown := [key for key in options.boxes if key not in found.mailboxes]:
        raise NotFound(f"there is no box {unknown[0]} in {system.place}: write it as 2001@default")
    names = {key: all(map(is_folder_name, key.rpartition("@")[::2])) for key in found.mailboxes}
    _require_contexts(options.contexts, _contexts_of(found.mailboxes))
    chosen = [key for key in found.mailboxes if names[key] and (not options.boxes or key in options.boxes)]
    source.notes += [
        Note("", NoteLevel.LOSS, f"box {key!r} is left out: its name cannot be that of a folder")
        for key, is_usable in names.items()
        if not is_usable and (not options.boxes or key in options.boxes)
    ]
    source.notes += [
        Note("", NoteLevel.WARNING, f"alias {', '.join(aliases)} of {target}: no such box is defined")
        for target, aliases in found.conf.aliases.items()
        if not found.mailboxes.get(target)
    ]
    account_by_context = _map_contexts(_contexts_of(chosen), options.contexts, accounts, source)
    for key in chosen:
        number, _, context = key.rpartition("@")
        if account := account_by_context.get(context):
            source.boxes.append(SourceBox(number, context, account, found.mailboxes[key]))
    _refuse_shared_numbers(source)
    return source


def _contexts_of(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key.rpartition("@")[2] for key in keys))


def _require_contexts(given: Iterable[str], contexts: Sequence[str]) -> None:
    if unknown := [context for context in given if context not in contexts]:
        raise BadInput(f"there is no context {unknown[0]!r} with a mailbox: the contexts are {', '.join(contexts)}")


def _map_contexts(
    contexts: Sequence[str], given: Mapping[str, str], accounts: Sequence[Account], source: Source
) -> dict[str, Account]:
    names = {name: account for account in accounts for name in (account.id, account.realm, account.name) if name}
    found: dict[str, Account] = {}
    for context in contexts:
        name = given.get(context)
        if name == LEFT_OUT:
            source.notes.append(Note("", NoteLevel.WARNING, f"context {context} is left out, as --context says"))
        elif name is not None and name not in names:
            raise NotFound(f"there is no account {name!r}: create it with 'ivr account create {shlex.quote(name)}'")
        elif name is not None:
            found[context] = names[name]
        elif context in names:
            found[context] = names[context]
        elif len(accounts) == 1 and (len(contexts) == 1 or context == "default"):
            found[context] = accounts[0]
        else:
            source.refusals.append(
                f"context {context} belongs to no account: add --context {shlex.quote(f'{context}=ACCOUNT')}, or"
                f" --context {shlex.quote(f'{context}=-')}"
                " to leave it out ('ivr account create NAME' creates an account)"
            )
    return found


def _refuse_shared_numbers(source: Source) -> None:
    """Two mailboxes of the source must not become one."""
    keys_by_number: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for box in source.boxes:
        keys_by_number[box.account.id, box.number].append(box.key)
    for keys in keys_by_number.values():
        if len(keys) > 1:
            source.refusals.append(
                f"boxes {' and '.join(keys)} would be one: give their contexts different accounts with --context"
            )
