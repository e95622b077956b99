"""The lines of AGI: formats commands and parses replies, as res_agi of Asterisk 22 does. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ivr.errors import BadArgument, CallFailed

MAX_COMMAND_BYTES = 8000
"""Asterisk's own buffer is 8 KB since 22.6."""
DEAD_CHANNEL = 511
"""Code of the reply to a command that needs a channel if the channel is gone."""

_REPLY = re.compile(
    r"(?P<code>\d{3}) result=(?P<result>-?[\w*#.]*)(?: \((?P<note>.*)\))?(?: endpos=(?P<endpos>-?\d{1,15}))?\s*"
)
_KEYS = {str(ord(key)): key for key in "0123456789*#ABCDabcd"}
_ERROR = re.compile(r"(?P<code>5\d\d)(?P<dash>[- ]?)(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: "200 result=49 endpos=8000", "200 result=1 (value)", "511 Command Not Permitted …"."""

    code: int
    result: str
    data: str | None = None
    endpos: int | None = None
    """Samples."""

    @property
    def key(self) -> str | None:
        """The key that ended the command, None if none did. Raises `CallFailed` for a result that is not a key."""
        if self.result in ("0", "-1"):
            return None
        if self.result not in _KEYS:
            raise CallFailed(f"the result is not a key: {self.result[:20]!r}")
        return _KEYS[self.result]


def format_command(name: str, *arguments: object) -> bytes:
    """Format one command line. Each argument is quoted, so that it can neither end the line nor start another.

    Raises `BadArgument` for an argument with a line break or NUL in it, and for a line longer than Asterisk reads.
    """
    line = " ".join([name, *(_quote(str(argument)) for argument in arguments)])
    encoded = line.encode("utf-8", "replace") + b"\n"
    if len(encoded) > MAX_COMMAND_BYTES:
        raise BadArgument(f"an AGI command of {len(encoded)} bytes is longer than Asterisk reads ({MAX_COMMAND_BYTES})")
    return encoded


def parse_reply(line: str) -> Reply:
    """Parse a reply line. Raises `CallFailed` if it is not one."""
    if matched := _REPLY.fullmatch(line):
        endpos = matched["endpos"]
        return Reply(int(matched["code"]), matched["result"], matched["note"], None if endpos is None else int(endpos))
    if matched := _ERROR.fullmatch(line):
        return Reply(int(matched["code"]), "", matched["text"])
    raise CallFailed(f"not an AGI reply: {line[:80]!r}")


def is_usage_start(line: str) -> bool:
    """Return whether `line` is the first of a multi-line usage text ("520-Invalid command syntax …")."""
    matched = _ERROR.fullmatch(line)
    return bool(matched and matched["dash"] == "-")


def is_usage_end(line: str) -> bool:
    """Return whether `line` is the last of a usage text ("520 End of proper usage.")."""
    matched = _ERROR.fullmatch(line)
    return bool(matched and matched["dash"] == " ")


def parse_header(line: str) -> tuple[str, str]:
    """Parse one line of the header block: "agi_channel: PJSIP/alice-00000001". Raises `CallFailed`."""
    name, colon, value = line.partition(":")
    if not colon or not name.startswith("agi_"):
        raise CallFailed(f"not an AGI header: {line[:80]!r}")
    return name, value.strip()


def _quote(word: str) -> str:
    if any(character in word for character in "\n\r\0"):
        raise BadArgument(f"a line break in an AGI argument: {word[:80]!r}")
    if word and not re.search(r"[\s\"\\]", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
