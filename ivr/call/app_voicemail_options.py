"""Options of app_voicemail's VoiceMail(), translated to dialplan arguments (docs/dialplan.md).

A site that comes from app_voicemail keeps the option letters of its dialplan: `u`, `bs`, `ud(menu)g(6)`.
"""

from __future__ import annotations

import re

_OPTION = re.compile(r"(?P<letter>[^()\s])(?:\((?P<value>[^()]*)\))?")

FLAG_OPTIONS: dict[str, tuple[str, str]] = {
    "u": ("greeting", "unavailable"),
    "b": ("greeting", "busy"),
    "s": ("skip_instructions", "true"),
    "S": ("skip_instructions", "greeted"),
    "e": ("early_media", "true"),
    "U": ("urgent", "true"),
    "P": ("urgent", "true"),
}
"""Letters without a value, and the argument and value of each. `P` and `U` both mark a message urgent."""

VALUE_OPTIONS: dict[str, tuple[str, str]] = {
    "d": ("digits_context", "exit"),
    "g": ("gain_db", "0"),
    "t": ("beep", "none"),
}
"""Letters with a value in parentheses, the argument of each, and its value without parentheses."""


def parse_options(options: str) -> tuple[list[str], list[str]]:
    """Return the arguments ("name=value") that `options` stand for, and the unsupported options.

    Without `u` and `b` no greeting is played, as in app_voicemail; `b` takes precedence over `u`.
    """
    found: dict[str, str] = {"greeting": "none"}
    unknown: list[str] = []
    end = 0
    for option in _OPTION.finditer(options):
        unknown += _unsupported(options[end : option.start()])
        end = option.end()
        letter, value = option["letter"], option["value"]
        if letter in VALUE_OPTIONS:
            name, default = VALUE_OPTIONS[letter]
            found[name] = value or default
        elif letter not in FLAG_OPTIONS or value is not None:
            unknown.append(option[0])
        elif found.get(FLAG_OPTIONS[letter][0]) != "busy":
            name, flag_value = FLAG_OPTIONS[letter]
            found[name] = flag_value
    unknown += _unsupported(options[end:])
    return [f"{name}={value}" for name, value in found.items()], unknown


def _unsupported(text: str) -> list[str]:
    return [text.strip()] if text.strip() else []
