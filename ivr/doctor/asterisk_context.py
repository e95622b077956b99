"""An Asterisk that answers, as the checks that need one see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ivr.doctor.installation import Installation


@dataclass(frozen=True, slots=True)
class AsteriskContext:
    """An Asterisk that answers."""

    installation: Installation
    variables: dict[str, str] = field(default_factory=dict)
    """Its global variables."""

    def run_command(self, command: str) -> str:
        """What its console says to `command`. Raises `NoAnswer`."""
        return self.installation.console.run_command(command)

    def show_dialplan_context(self, name: str) -> str:
        """A context of the dialplan as the console shows it, "" where there is none."""
        text = self.run_command(f"dialplan show {name}")
        return "" if "There is no existence of" in text else text
