"""Checks of the site's own dialplan lines: what a caller sends becomes no further argument; calls have an account."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ivr.doctor import console
from ivr.doctor.console import DialplanContext, DialplanLine
from ivr.doctor.installation import RunningAsterisk
from ivr.health.finding import Finding, ok, warning

OWN_PREFIX = "ivr-"
RELOAD = "asterisk -rx 'dialplan reload'"
CONFIG_FOLDER = "/etc/asterisk"
_RUNS_IVR = re.compile(r"(?:Gosub(?:If)?|AGI)\((?:.*\bivr-|agi://)")
_SETS_ACCOUNT = re.compile(r"\b_*IVR_ACCOUNT=[^,)]")
_HAS_ACCOUNT = re.compile(r"\baccount=[^,)]|@(?!default\b)[^,)&]")
_FILTERED = re.compile(r"\$\{FILTER\([^,{}]*,\$\{[^{}]*\}\)\}")
_DIALLED = re.compile(r"\$\{EXTEN(?::[^}]*)?\}")
_SENT = re.compile(r"\$\{(?:CALLERID|CONNECTEDLINE|REDIRECTING|PJSIP_HEADER|SIP_HEADER)\([^}]*\)[^}]*\}|\$\{DNID\}")
_COUNTED = re.compile(r"\$\{(?:CALLERID|REDIRECTING)\((?:num-pres|count)\)\}")


def check_arguments(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that no line passes on text of a caller as it is: a comma in it begins another argument.

    Patterns of a fixed length match digits only; those with `.` or `!` match any text that a phone can send.
    """
    lines = list(_lines_with_text_of_callers(asterisk.read_dialplan()))
    for context, line, text in lines:
        filtered = f"${{FILTER(0-9,{text})}}"
        yield warning(
            "arguments",
            f"{line.extension} in [{context}] passes {text} on as it comes: a caller can add arguments such as"
            " account=",
            f"write {filtered} in that line, or use a pattern of a fixed length, such as _1XXX; then: {RELOAD}",
            command=_replace_command(line.source, text, filtered),
        )
    if not lines:
        yield ok("arguments", "no line passes text of a caller on as it comes")


def _replace_command(source: str, text: str, replacement: str) -> str:
    """Return the command that replaces `text` in a line of the dialplan; "" if only the site knows what is right.

    `source`: its file and number. A name has other characters than digits, and a path may be outside the folder.
    """
    file, _, number = source.rpartition(":")
    if not file or not re.fullmatch(r"[\w./-]+", file) or "name" in text:
        return ""
    path = file if file.startswith("/") else f"{CONFIG_FOLDER}/{file}"
    pattern = re.sub(r"([$.*\[\]/\\])", r"\\\1", text)
    written = re.sub(r"([&/\\])", r"\\\1", replacement)
    return f"sed -i '{number}s/{pattern}/{written}/' {path} && {RELOAD}"


def names_account(contexts: Iterable[DialplanContext]) -> bool:
    """Return whether a line of the site's own names the account of its calls."""
    return any(
        _SETS_ACCOUNT.search(line.application)
        or (_RUNS_IVR.match(line.application) and _HAS_ACCOUNT.search(line.application))
        for context in contexts
        if not context.name.startswith(OWN_PREFIX)
        for line in context.lines
    )


def _lines_with_text_of_callers(contexts: Iterable[DialplanContext]) -> Iterator[tuple[str, DialplanLine, str]]:
    """Yield each such line, with the name of its context before it and the expression behind it."""
    for context in contexts:
        for line in context.lines if not context.name.startswith(OWN_PREFIX) else ():
            if not _RUNS_IVR.match(line.application):
                continue
            unfiltered = _COUNTED.sub("", _FILTERED.sub("", line.application))
            is_open = console.is_unbounded(line.extension)
            if text := _SENT.search(unfiltered) or (is_open and _DIALLED.search(unfiltered)):
                yield context.name, line, text[0]
