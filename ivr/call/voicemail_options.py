"""The options of app_voicemail's VoiceMail(), read as arguments of ours (docs/dialplan.md).

A site that comes from app_voicemail keeps the option letters of its lines: `u`, `bs`, `ud(menu)g(6)`.
"""

from __future__ import annotations

import re

_OPTION = re.compile(r"(?P<letter>[^()\s])(?:\((?P<value>[^()]*)\))?")

FLAGS: dict[str, tuple[str, str]] = {
    "u": ("greeting", "unavailable"),
    "b": ("greeting", "busy"),
    "s": ("skip_instructions", "true"),
    "S": ("skip_instructions", "greeted"),
    "e": ("early_media", "true"),
    "U": ("urgent", "true"),
    "P": ("urgent", "true"),
}
"""Letters that stand alone, and the argument each is. `P` marks what `U` marks: there is one kind of importance."""

VALUES: dict[str, tuple[str, str]] = {
    "d": ("digits_context", "exit"),
    "g": ("gain_db", "0"),
    "t": ("beep", "none"),
}
"""Letters with a value in parentheses, the argument each is, and what it says without one."""


def read(options: str) -> tuple[list[str], list[str]]:
    """The arguments ("name=value") that `options` stand for, and the letters that stand for none.

    Without `u` and `b` no greeting is heard, as in app_voicemail; `b` wins over `u`.
    """
    found: dict[str, str] = {"greeting": "none"}
    unknown: list[str] = []
    end = 0
    for option in _OPTION.finditer(options):
        unknown += _leftover(options[end : option.start()])
        end = option.end()
        letter, value = option["letter"], option["value"]
        if letter in VALUES:
            name, bare = VALUES[letter]
            found[name] = value or bare
        elif letter not in FLAGS or value is not None:
            unknown.append(option[0])
        elif found.get(FLAGS[letter][0]) != "busy":
            name, said = FLAGS[letter]
            found[name] = said
    unknown += _leftover(options[end:])
    return [f"{name}={value}" for name, value in found.items()], unknown


def _leftover(text: str) -> list[str]:
    return [text.strip()] if text.strip() else []
