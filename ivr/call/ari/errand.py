"""What only the dialplan can do: it is sent to an extension that says so, and comes back (`ivr-ari`).

Over ARI no variables are set: on 22.10.1 that takes the right to "dangerous" functions, such as STAT() and DB(), from
the dialplan for the rest of the call; and Asterisk holds back everybody's requests until what plays has ended.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from urllib.parse import quote

from ivr.errors import BadArgument

CONTEXT = "ivr-ari"
LONGEST = 79
"""Bytes of an extension."""


class Verb(StrEnum):
    """The extensions of the context; no letter of them means anything in a pattern."""

    HOME = "home"
    LIMIT = "limit"
    TOLD = "told"
    RECORD = "record"
    STATUS = "status"
    LEAVE = "leave"


NAMING = {Verb.HOME, Verb.LIMIT, Verb.LEAVE}
"""They say where the call is to come back to. The dialplan remembers it: the others have no room for a long name."""


class Errand:
    """One of them, with its words."""

    def __init__(self, verb: Verb, *words: str) -> None:
        self.verb = verb
        self.records = verb is Verb.RECORD
        self.names = verb in NAMING
        self.back: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._words = words

    def extension(self, application: str) -> str:
        """Where to go; back to `application`. Raises `BadArgument` for what is too long to be one."""
        coded = (quote(word, safe="").replace("~", "%7E") for word in self._words)
        names = (application,) if self.names else ()
        extension = "~".join((self.verb, *names, *coded)).rstrip("~")
        if len(extension) > LONGEST:
            raise BadArgument(f"the dialplan cannot be told something of {len(extension)} characters over ARI")
        return extension if "~" in extension else f"{extension}~~"  # A pattern wants one sign more.

    def is_back(self) -> None:
        if not self.back.done():
            self.back.set_result(None)
