"""voicemail.conf: the mailboxes of app_voicemail with their options, its time zones and its aliases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.audio.asterisk_recording import read_start
from ivr.errors import BadInput, InvalidAudio
from ivr.imports.config_file import ConfigFile, ConfigLine, ConfigSection, decode_line, read_config

GENERAL = "general"
ZONE_MESSAGES = "zonemessages"
PASSWORD_FILE = "secret.conf"
MAX_PASSWORD_FILE_BYTES = 10_000
MAILBOX_FIELDS = 4
"""Password, name, mail addresses, pager; the options follow."""
TRUE_WORDS = frozenset({"yes", "true", "y", "t", "1", "on"})
FALSE_WORDS = frozenset({"no", "false", "n", "f", "0", "off"})
_NUMBER = re.compile(r"[0-9]")
OLDER_NAMES = {"maxmessage": "maxsecs", "minmessage": "minsecs", "deletevoicemail": "delete"}
MAILBOX_ONLY = frozenset({"delete", "attachfmt", "hidefromdir"})
"""Options that app_voicemail does not read in [general]."""
GENERAL_ONLY = frozenset({"maxsilence", "maxgreet", "skipms"})
"""Options that it does not read in a mailbox."""


@dataclass(frozen=True, slots=True)
class ConfMailbox:
    """A mailbox as voicemail.conf defines it. `options`: `own_options`, over those of [general].

    `fields`: settings of the mailbox here that a system states in other places than its options.
    """

    number: str
    context: str
    password: str
    fullname: str
    emails: tuple[str, ...]
    pager: str
    options: dict[str, str]
    own_options: dict[str, str]
    fields: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """What else the system says of it, and has no place here."""

    @property
    def key(self) -> str:
        """`number@context`, as app_voicemail names it."""
        return f"{self.number}@{self.context}"

    def is_on(self, option: str, *, default: bool = False) -> bool:
        """Return the value of an option that is yes or no."""
        value = self.options.get(option)
        return default if value is None else value.strip().lower() in TRUE_WORDS


@dataclass
class VoicemailConf:
    """What a voicemail.conf says. `mailboxes` by `number@context`."""

    mailboxes: dict[str, ConfMailbox] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    """Time zone by its name in [zonemessages]."""
    zone_formats: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    """Aliases `number@context` by the mailbox that they lead to."""
    general: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def is_folder_name(name: str) -> bool:
    """Return whether a context or a number can be a folder of the spool: neither does it lead elsewhere, nor does it
    change the lines of a report."""
    return name not in ("", ".", "..") and "/" not in name and name.isprintable()


def read_voicemail_conf(path: Path, spool: Path) -> VoicemailConf:
    """Read a voicemail.conf. Passwords that app_voicemail stores in the spool replace those of the file.

    Raises `NotFound`, OSError; `BadInput` for a file that cannot be read, or is another one.
    """
    config = read_config(path)
    _require_voicemail_conf(config, path)
    conf = VoicemailConf(warnings=config.warnings)
    _read_general(config, conf)
    alias_context = conf.general.get("aliasescontext", "")
    for section in config.sections:
        if section.is_template or section.name.lower() == GENERAL:
            continue
        if section.name.lower() == ZONE_MESSAGES:
            for line in section.lines:
                conf.zones[line.name], _, conf.zone_formats[line.name] = line.value.partition("|")
        elif alias_context and section.name == alias_context:
            for line in section.lines:
                conf.aliases.setdefault(_with_context(line.value), []).append(line.name)
        else:
            for line in section.lines:
                _add_mailbox(conf, section.name, line, spool)
    return conf


def _require_voicemail_conf(config: ConfigFile, path: Path) -> None:
    """Raise `BadInput` for a file that defines no mailbox, unless all it has is [general] and time zones."""
    names = [section.name.lower() for section in config.sections]
    others = [section for section in config.sections if section.name.lower() not in (GENERAL, ZONE_MESSAGES)]
    has_boxes = any(_NUMBER.search(line.name) for section in others for line in section.lines)
    if not has_boxes and (GENERAL not in names or any(section.lines for section in others)):
        raise BadInput(
            f"{path} is no voicemail.conf: it defines no mailbox such as '2001 => 4716,Rosa Klein',"
            f" and is not [general] alone{_letters_remedy(others) if GENERAL in names else ''}"
        )


def _letters_remedy(sections: list[ConfigSection]) -> str:
    name = next(line.name for section in sections for line in section.lines)
    return (
        f". If {name!r} is a mailbox: here each has a number, because it is entered at a phone. Give it one in a copy"
        " of the file, rename its folder in a copy of the spool, and name these with --conf and --spool"
    )


def _read_general(config: ConfigFile, conf: VoicemailConf) -> None:
    for line in config.section(GENERAL).lines:
        name = line.name.lower()
        conf.general.setdefault(OLDER_NAMES.get(name, name), line.value)


def _with_context(mailbox: str) -> str:
    return mailbox if "@" in mailbox else f"{mailbox}@default"


def _add_mailbox(conf: VoicemailConf, context: str, line: ConfigLine, spool: Path) -> None:
    number = line.name
    key = f"{number}@{context}"
    if key in conf.mailboxes:
        conf.warnings.append(f"{line.place}: {key} is defined twice: app_voicemail uses the first definition")
        return
    password, fullname, emails, pager, *options = [*line.value.split(",", MAILBOX_FIELDS), "", "", "", ""][:5]
    if '"' in fullname or emails.rstrip().endswith('"'):
        conf.warnings.append(
            f"{line.place}: app_voicemail knows no quotes: the name of {key} is {fullname!r}, its address {emails!r}"
        )
    own = dict(parse_options(options[0] if options else ""))
    is_in_spool = {**conf.general, **own}.get("passwordlocation", "").strip().lower() == "spooldir"
    if is_in_spool and is_folder_name(context) and is_folder_name(number):
        password = _stored_password(spool / context / number / PASSWORD_FILE) or password
    conf.mailboxes[key] = conf_mailbox(
        number=number,
        context=context,
        password=password,
        fullname=fullname,
        emails=emails,
        pager=pager,
        own_options=own,
        general=conf.general,
    )


def conf_mailbox(
    *,
    number: str,
    context: str,
    password: str,
    fullname: str,
    emails: str,
    pager: str,
    own_options: Mapping[str, str],
    general: Mapping[str, str],
) -> ConfMailbox:
    """Return a mailbox as voicemail.conf or a table of realtime mailboxes defines it."""
    own = {OLDER_NAMES.get(name, name): value for name, value in own_options.items()}
    return ConfMailbox(
        number=number,
        context=context,
        password=password.strip(),
        fullname=fullname.strip(),
        emails=tuple(address.strip() for address in re.split(r"[|;]", emails) if address.strip()),
        pager=pager.strip(),
        options={
            **{name: value for name, value in general.items() if name not in MAILBOX_ONLY},
            **{name: value for name, value in own.items() if name not in GENERAL_ONLY},
        },
        own_options=own,
    )


def parse_options(text: str) -> list[tuple[str, str]]:
    """Return the options of a mailbox: `name=value`, separated by `|`."""
    parsed = []
    for option in text.split("|"):
        name, separator, value = option.partition("=")
        if separator:
            parsed.append((name.strip().lower(), value.strip()))
    return parsed


def _stored_password(file: Path) -> str:
    """Return the password that app_voicemail has written to the spool; "" without one."""
    try:
        lines = read_start(file, MAX_PASSWORD_FILE_BYTES).splitlines()
    except (FileNotFoundError, InvalidAudio):  # Asterisk can put a link to another file there.
        return ""
    for line in map(decode_line, lines):
        name, separator, value = line.partition("=")
        if separator and name.strip().lower() == "password":
            return value.removeprefix(">").strip()
    return ""
