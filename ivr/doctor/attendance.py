"""An Asterisk that answers, as the checks that need one see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ivr.doctor.installation import Installation


@dataclass(frozen=True, slots=True)
class Attendance:
    """An Asterisk that answers."""

    site: Installation
    variables: dict[str, str] = field(default_factory=dict)
    """Its global variables."""

    def ask(self, command: str) -> str:
        """What its console says to `command`. Raises `NoAnswer`."""
        return self.site.console.ask(command)

    def context(self, name: str) -> str:
        """A context of the dialplan as the console shows it, "" where there is none."""
        text = self.ask(f"dialplan show {name}")
        return "" if "There is no existence of" in text else text
