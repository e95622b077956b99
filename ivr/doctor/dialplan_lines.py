"""Check of the site's own dialplan lines: what a caller dials or sends becomes no further argument of ivr."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ivr.doctor.installation import RunningAsterisk
from ivr.health.finding import Finding, ok, warning

OWN_PREFIX = "ivr-"
RELOAD = "asterisk -rx 'dialplan reload'"
_CONTEXT = re.compile(r"\[ Context '([^']+)'")
_EXTENSION = re.compile(r"  '(.*?)' +(?:\(CID match.*\) +)?=> +(.*)")
_PRIORITY = re.compile(r"(?:\[\w+\])? *\d+\. (Gosub(?:If)?|AGI)\((.*)")
_CALLS_IVR = re.compile(r"\bivr-|^agi://")
_FILTERED = re.compile(r"\$\{FILTER\([^,{}]*,\$\{[^{}]*\}\)\}")
_DIALLED = re.compile(r"\$\{EXTEN(?::[^}]*)?\}")
_SENT = re.compile(r"\$\{(?:CALLERID|CONNECTEDLINE|REDIRECTING|PJSIP_HEADER|SIP_HEADER)\([^}]*\)[^}]*\}|\$\{DNID\}")
_COUNTED = re.compile(r"\$\{(?:CALLERID|REDIRECTING)\((?:num-pres|count)\)\}")


def check_arguments(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that no line passes on text of a caller as it is: a comma in it begins another argument.

    Patterns of a fixed length match digits only; those with `.` or `!` match any text that a phone can send.
    """
    lines = list(_lines_with_text_of_callers(asterisk.run_command("dialplan show")))
    for context, extension, text in lines:
        yield warning(
            "arguments",
            f"{extension} in [{context}] passes {text} on as it comes: a caller can add arguments such as account=",
            f"write ${{FILTER(0-9,{text})}} in that line, or use a pattern of a fixed length, such as _1XXX; then:"
            f" {RELOAD}",
        )
    if not lines:
        yield ok("arguments", "no line passes text of a caller on as it comes")


def _lines_with_text_of_callers(shown: str) -> Iterator[tuple[str, str, str]]:
    """Yield context, extension and expression of each such line in the output of `dialplan show`."""
    context = extension = ""
    for line in shown.splitlines():
        if found := _CONTEXT.match(line):
            context, extension = found[1], ""
            continue
        rest = line.strip()
        if found := _EXTENSION.match(line):
            extension, rest = found[1], found[2]
        called = _PRIORITY.match(rest)
        if not called or context.startswith(OWN_PREFIX) or not _CALLS_IVR.search(called[2]):
            continue
        unfiltered = _COUNTED.sub("", _FILTERED.sub("", called[2]))
        is_open = extension.startswith("_") and bool(set(extension) & {".", "!"})
        if text := _SENT.search(unfiltered) or (is_open and _DIALLED.search(unfiltered)):
            yield context, extension, text[0]
