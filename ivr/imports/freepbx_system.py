"""FreePBX: app_voicemail with storage in files, and what FreePBX itself knows of its extensions.

voicemail.conf is what app_voicemail uses, so it counts where the others say something else.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ivr.errors import BadInput
from ivr.imports.app_voicemail import AppVoicemail
from ivr.imports.spool import SpoolBox
from ivr.imports.system import Note, NoteLevel, SourceMailbox, SystemBoxes
from ivr.imports.voicemail_conf import OLDER_NAMES, ConfMailbox, parse_options
from ivr.provisioning import freepbx as bulk_handler
from ivr.storage.sources import astdb, mysql_dump
from ivr.validation.text import reject_utf16

FREEPBX = "freepbx"
FAMILY = "AMPUSER"
USERS, USER_MANAGER, VOICEMAIL_ADMIN = "users", "userman_users", "voicemail_admin"
GLOBALS = ("VM_OPTS", "VM_DDTYPE", "VM_GAIN", "OPERATOR_XTN", "VMX_")
"""How the variables of `voicemail_admin` begin that FreePBX gives its dialplan as global variables."""
KNOWN_ENTRIES = re.compile(r"(voicemail|novmpw|novmstar|vmx/.+)")
VOICEMAIL_ENTRY = re.compile(r"(vm|novm|voicemail).*")
KNOWN_COLUMNS = frozenset(
    {
        *("voicemail", "voicemail_enable", "voicemail_vmpwd", "voicemail_email", "voicemail_pager"),
        *("voicemail_options", "voicemail_same_exten", "disable_star_voicemail", "vmx_play_instructions"),
        *(f"vmx_{state}_enabled" for state in ("unavail", "busy", "temp")),
        *(f"vmx_option_{key}_number" for key in range(10)),
    }
)
"""Columns of the bulk handler about voicemail that are taken over, compared, or stay in Asterisk's database."""
VOICEMAIL_COLUMN = re.compile(r"(disable_star_)?voicemail.*|vmx_.*")
VMX_STATES = ("unavail", "busy", "temp")
VMX_KEY = re.compile(r"vmx_option_[1-9]_number")
OPERATOR_KEY = "0"


@dataclass(frozen=True, slots=True)
class Extension:
    """What FreePBX knows of an extension. `voicemail`: its context, "novm", or "" if FreePBX does not say."""

    number: str
    name: str = ""
    voicemail: str = ""
    emails: tuple[str, ...] = ()
    require_pin: bool | None = None
    star_is_off: bool = False
    operator: str = ""
    password: str = ""
    vmx: tuple[str, ...] = ()
    """What the VmX Locater does with it."""
    options: Mapping[str, str] = field(default_factory=dict)
    pager: str = ""
    others: tuple[str, ...] = ()
    """What else FreePBX says of its voicemail."""

    def fields(self) -> dict[str, Any]:
        """Return settings of its mailbox here."""
        fields: dict[str, Any] = {}
        if self.require_pin is not None:
            fields["require_pin"] = self.require_pin
        if self.star_is_off:
            fields["keys"] = {"login": ""}
        if self.operator:
            fields["operator_number"] = self.operator
        return fields


@dataclass
class FreePbx:
    """The `VoicemailSystem` of a FreePBX. Each file but those of app_voicemail may be missing (None).

    `dump`: of its MariaDB; `extensions`: CSV of its bulk handler; `astdb`: Asterisk's database. They are read once,
    also where the spool is followed.
    """

    files: AppVoicemail
    dump: Path | None = None
    extensions: Path | None = None
    astdb: Path | None = None
    _known: dict[str, Extension] | None = None
    _admin_notes: tuple[Note, ...] = ()

    @property
    def name(self) -> str:
        """That of app_voicemail: its messages are the same, whichever command imports them."""
        return self.files.name

    @property
    def place(self) -> str:
        return self.files.place

    def read_boxes(self) -> SystemBoxes:
        """Read voicemail.conf and the names of the spool's folders, and add what FreePBX knows."""
        found = self.files.read_boxes()
        extensions = self._known = self._read_extensions() if self._known is None else self._known
        mailboxes: dict[str, SourceMailbox | None] = {}
        aliases = {alias for names in found.conf.aliases.values() for alias in names}
        for key, mailbox in found.mailboxes.items():
            number, _, context = key.rpartition("@")
            folder = self.files.spool / context / number
            if folder.is_symlink() or (key in aliases and not folder.exists()):
                continue  # The mailbox of a device is that of its user, by a link or an alias.
            extension = extensions.get(number)
            is_its_own = extension is not None and extension.voicemail in ("", context, bulk_handler.NO_VOICEMAIL)
            mailboxes[key] = _combine(mailbox, extension) if extension and is_its_own else mailbox
        found.notes.extend([*_missing_mailboxes(extensions.values(), mailboxes), *self._admin_notes])
        return replace(found, mailboxes=mailboxes)

    def read_content(self, number: str, context: str) -> SpoolBox:
        """Read the folder of a mailbox."""
        return self.files.read_content(number, context)

    def _read_extensions(self) -> dict[str, Extension]:
        extensions: dict[str, Extension] = {}
        if self.dump:
            tables = mysql_dump.read_tables(self.dump, (USERS, USER_MANAGER, VOICEMAIL_ADMIN))
            extensions.update(_read_users(tables, self.dump))
            self._admin_notes = tuple(_describe_admin(tables.get(VOICEMAIL_ADMIN, ())))
        if self.extensions:
            extensions.update(_read_bulk_file(self.extensions))
        if self.astdb:
            _add_database_entries(extensions, astdb.read_family(self.astdb, FAMILY))
        return extensions


def _describe_admin(rows: Iterable[Mapping[str, str]]) -> Iterator[Note]:
    """Yield what is to be said about FreePBX's settings of voicemail for all extensions."""
    for row in rows:
        name, value = row.get("variable", ""), row.get("value", "").strip()
        if not value:
            continue
        if name.startswith(GLOBALS):
            text = f"voicemail_admin {name}={value}: the dialplan for FreePBX reads it (docs/moving-in.md)"
            yield Note("", NoteLevel.INFO, text)
        else:
            yield Note("", NoteLevel.WARNING, f"voicemail_admin {name}={value}: has no equivalent")


def _read_users(tables: Mapping[str, Iterable[Mapping[str, str]]], path: Path) -> dict[str, Extension]:
    if USERS not in tables:
        raise BadInput(f"{path} has no table {USERS}: dump the whole database of FreePBX (asterisk)")
    found = {
        row["extension"]: Extension(row["extension"], row.get("name", ""), row.get("voicemail", ""))
        for row in tables[USERS]
        if row.get("extension")
    }
    for row in tables.get(USER_MANAGER, ()):
        extension = found.get(row.get("default_extension", ""))
        if extension and row.get("email"):
            found[extension.number] = replace(extension, emails=(*extension.emails, row["email"]))
    return found


def _read_bulk_file(path: Path) -> dict[str, Extension]:
    content = reject_utf16(path.read_bytes(), path).removeprefix(b"\xef\xbb\xbf")
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        columns = reader.fieldnames or ()
        if not bulk_handler.is_header(columns):
            raise BadInput(f"{path} has not the columns of FreePBX's bulk handler: export extensions, as CSV")
        rows = list(reader)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadInput(f"{path}, line {line}, is not UTF-8: store the file as UTF-8, and name that file") from None
    except csv.Error as error:
        raise BadInput(f"{path} cannot be read as CSV: {error}") from None
    if cut := [row for row in rows if None in row or None in row.values()]:
        raise BadInput(f"{path}: the row of extension {cut[0].get('extension')} has not all columns: export it again")
    numbers = Counter(row["extension"] for row in rows)
    if unclear := [number for number, count in numbers.items() if not number or count > 1]:
        raise BadInput(f"{path}: extension {unclear[0]!r} has no number or several rows: export it again")
    return {row["extension"]: _extension_of_row(row) for row in rows}


def _extension_of_row(row: Mapping[str, str]) -> Extension:
    has_voicemail = row.get("voicemail_enable", "yes").strip().lower() == "yes"
    same_extension = row.get("voicemail_same_exten")
    states = {state: row.get(f"vmx_{state}_enabled", "").strip().lower() for state in VMX_STATES}
    enabled = [state for state, value in states.items() if value not in bulk_handler.VMX_OFF]
    keys = [f"{column}={value}" for column, value in row.items() if value and VMX_KEY.fullmatch(column)]
    return Extension(
        row["extension"],
        row.get("name", ""),
        row.get("voicemail", "") if has_voicemail else bulk_handler.NO_VOICEMAIL,
        tuple(filter(None, re.split(r"[,;|\s]+", row.get("voicemail_email", "")))),
        require_pin=None if same_extension is None else same_extension.strip().lower() == "yes",
        star_is_off=row.get("disable_star_voicemail", "").strip().lower() == "yes",
        operator=row.get("vmx_option_0_number", "").strip(),
        password=row.get("voicemail_vmpwd", "").strip(),
        vmx=(*(f"while {state}" for state in enabled), *keys),
        options={OLDER_NAMES.get(name, name): value for name, value in parse_options(row.get("voicemail_options", ""))},
        pager=row.get("voicemail_pager", "").strip(),
        others=tuple(
            f"{column}={value}"
            for column, value in row.items()
            if value and VOICEMAIL_COLUMN.fullmatch(column) and column not in KNOWN_COLUMNS
        ),
    )


def _add_database_entries(extensions: dict[str, Extension], entries: Mapping[str, str]) -> None:
    """Add what Asterisk's database says. An entry that is missing says something, too: the PIN is asked for."""
    for number in {key.partition("/")[0] for key in entries}:
        extension = extensions.get(number) or Extension(number)
        operators = (entries.get(f"{number}/vmx/{state}/{OPERATOR_KEY}/ext", "") for state in VMX_STATES)
        extensions[number] = replace(
            extension,
            name=extension.name or entries.get(f"{number}/cidname", ""),
            require_pin=f"{number}/novmpw" not in entries,
            star_is_off=f"{number}/novmstar" in entries,
            operator=next(filter(None, operators), extension.operator),
            vmx=tuple(_vmx_states(number, entries)),
            others=(*extension.others, *_further_entries(number, entries)),
        )


def _further_entries(number: str, entries: Mapping[str, str]) -> Iterator[str]:
    for key, value in sorted(entries.items()):
        name = key.removeprefix(f"{number}/")
        if name != key and value and VOICEMAIL_ENTRY.fullmatch(name) and not KNOWN_ENTRIES.fullmatch(name):
            yield f"{FAMILY}/{key}={value}"


def _vmx_states(number: str, entries: Mapping[str, str]) -> Iterator[str]:
    for state in VMX_STATES:
        prefix = f"{number}/vmx/{state}/"
        if entries.get(f"{prefix}state") != "enabled":
            continue
        leads = [
            f"key {key.removeprefix(prefix).partition('/')[0]} leads to {value}"
            for key, value in sorted(entries.items())
            if key.startswith(prefix) and key.endswith("/ext") and value
        ]
        yield f"while {state}{': ' if leads else ''}{', '.join(leads)}"


def _combine(mailbox: SourceMailbox | None, extension: Extension) -> SourceMailbox | None:
    if not isinstance(mailbox, ConfMailbox):
        return mailbox
    remarks = []
    if extension.vmx:
        remarks.append(f"VmX Locater {'; '.join(extension.vmx)}: the dialplan for FreePBX reads it (docs/moving-in.md)")
    if extension.voicemail == bulk_handler.NO_VOICEMAIL:
        remarks.append("FreePBX has disabled its voicemail; voicemail.conf still has it, so it is imported")
    if mailbox.fullname and extension.name and mailbox.fullname != extension.name:
        remarks.append(f"its name is {extension.name!r} in FreePBX; that of voicemail.conf is used")
    if extension.password not in ("", mailbox.password):
        remarks.append("its PIN is another one in FreePBX; that of voicemail.conf is used")
    differing = [
        f"{name}={value}" for name, value in extension.options.items() if mailbox.own_options.get(name, "") != value
    ]
    if differing:
        remarks.append(f"its options are {', '.join(differing)} in FreePBX; those of voicemail.conf are used")
    if extension.pager not in ("", mailbox.pager):
        remarks.append(f"its pager is {extension.pager} in FreePBX; that of voicemail.conf is used")
    remarks += [f"{other}: has no equivalent" for other in extension.others]
    if mailbox.emails and set(extension.emails) - set(mailbox.emails):
        remarks.append(f"its mail addresses are {', '.join(extension.emails)} in FreePBX; voicemail.conf counts")
    return replace(
        mailbox,
        fullname=mailbox.fullname or extension.name,
        emails=mailbox.emails or extension.emails,
        fields=extension.fields(),
        remarks=tuple(remarks),
    )


def _missing_mailboxes(extensions: Iterable[Extension], mailboxes: Mapping[str, SourceMailbox | None]) -> list[Note]:
    """Return notes on extensions that have voicemail in FreePBX, and none in voicemail.conf."""
    return [
        Note("", NoteLevel.WARNING, f"extension {one.number}: FreePBX has voicemail for it, voicemail.conf has none")
        for one in extensions
        if one.voicemail not in ("", bulk_handler.NO_VOICEMAIL) and not mailboxes.get(f"{one.number}@{one.voicemail}")
    ]
