"""Which mailboxes of app_voicemail have moved, as Asterisk's database says it to the dialplan (`ivr-moved`)."""

from __future__ import annotations

import re
from collections.abc import Callable

from ivr.errors import BadInput, IvrError

FAMILY = "ivr/moved"
_ENTRY = re.compile(rf"/{FAMILY}/(\S+)\s*: (\S*)\s*")
_KEY = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)


class MovedBoxes:
    """The moved mailboxes of one Asterisk. `run_command` runs a console command and returns its output.

    Its errors pass through.
    """

    def __init__(self, run_command: Callable[[str], str]) -> None:
        self._run_command = run_command

    def list(self) -> dict[str, str]:
        """Return the address here, `number@account`, by the name in app_voicemail, `number@context`."""
        found = map(_ENTRY.fullmatch, self._run_command(f"database show {FAMILY}").splitlines())
        return {match[1]: match[2] for match in found if match}

    def add(self, key: str, address: str) -> None:
        """Have the dialplan send calls for the mailbox `key` to `address`. Raises `BadInput`, `IvrError`."""
        for name in (key, address):
            if not _KEY.fullmatch(name):
                raise BadInput(f"{name!r} cannot be written to Asterisk's database: it must be NUMBER@NAME")
        self._run_command(f"database put {FAMILY} {key} {address}")
        if self.list().get(key) != address:
            raise IvrError(f"Asterisk has not stored {FAMILY}/{key} in its database")

    def remove(self, key: str) -> None:
        """Have the dialplan send calls for a mailbox to app_voicemail. Raises `IvrError`."""
        self._run_command(f"database del {FAMILY} {key}")
        if key in self.list():
            raise IvrError(f"Asterisk has not removed {FAMILY}/{key} from its database")
