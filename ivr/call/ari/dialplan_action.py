"""What only the dialplan can do: it is sent to an extension that says so, and comes back (`ivr-ari`).

Over ARI no variables are set: on 22.10.1 that takes the right to "dangerous" functions, such as STAT() and DB(), from
the dialplan for the rest of the call; and Asterisk holds back everybody's requests until what plays has ended.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from urllib.parse import quote

from ivr.errors import BadArgument

DIALPLAN_CONTEXT = "ivr-ari"
MAX_EXTENSION_BYTES = 79
"""Bytes of an extension."""


class Verb(StrEnum):
    """The extensions of the context; no letter of them means anything in a pattern."""

    REMEMBER_APP = "app"
    SET_TIMEOUT = "limit"
    SET_VARIABLE = "set"
    RECORD = "record"
    STATUS = "status"
    CONTINUE = "goto"


VERBS_WITH_APP = {Verb.REMEMBER_APP, Verb.SET_TIMEOUT, Verb.CONTINUE}
"""They say where the call is to come back to. The dialplan remembers it: the others have no room for a long name."""


class DialplanAction:
    """One of them, with its words."""

    def __init__(self, verb: Verb, *arguments: str) -> None:
        self.verb = verb
        self.is_recording = verb is Verb.RECORD
        self.carries_app = verb in VERBS_WITH_APP
        self.returned: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arguments = arguments

    def build_extension(self, application: str) -> str:
        """Where to go; back to `application`. Raises `BadArgument` for what is too long to be one."""
        coded = (quote(word, safe="").replace("~", "%7E") for word in self._arguments)
        names = (application,) if self.carries_app else ()
        extension = "~".join((self.verb, *names, *coded)).rstrip("~")
        if len(extension) > MAX_EXTENSION_BYTES:
            raise BadArgument(f"the dialplan cannot be told something of {len(extension)} characters over ARI")
        return extension if "~" in extension else f"{extension}~~"  # A pattern wants one sign more.

    def mark_returned(self) -> None:
        if not self.returned.done():
            self.returned.set_result(None)
