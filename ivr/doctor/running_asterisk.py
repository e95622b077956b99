"""A running Asterisk, for the checks that need one."""

from __future__ import annotations

from dataclasses import dataclass, field

from ivr.doctor.installation import Installation


@dataclass(frozen=True, slots=True)
class RunningAsterisk:
    """An Asterisk whose console replies."""

    installation: Installation
    variables: dict[str, str] = field(default_factory=dict)
    """Its global variables."""

    def run_command(self, command: str) -> str:
        """Return the output of a console command. Raises `ConsoleUnavailable`."""
        return self.installation.console.run_command(command)

    def show_dialplan_context(self, name: str) -> str:
        """Return the output for a context of the dialplan; "" if it does not exist."""
        text = self.run_command(f"dialplan show {name}")
        return "" if "There is no existence of" in text else text
