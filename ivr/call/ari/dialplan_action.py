"""Dialplan actions: operations that ARI lacks are performed by sending the channel to an extension of context
`ivr-ari`, which returns it to Stasis().

No variables are set over ARI: on 22.10.1 that takes the right to "dangerous" functions, such as STAT() and DB(), from
the dialplan for the rest of the call; and Asterisk delays the requests of all calls until the current playback has
ended.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from urllib.parse import quote

from ivr.errors import BadArgument

DIALPLAN_CONTEXT = "ivr-ari"
MAX_EXTENSION_BYTES = 79
"""The longest extension that Asterisk accepts."""


class Verb(StrEnum):
    """The extensions of the context. They contain no n, x or z: those are wildcards of a pattern."""

    REMEMBER_APP = "app"
    SET_TIMEOUT = "limit"
    SET_VARIABLE = "set"
    RECORD = "record"
    STATUS = "status"
    CONTINUE = "goto"


VERBS_WITH_APP = {Verb.REMEMBER_APP, Verb.SET_TIMEOUT, Verb.CONTINUE}
"""Verbs that carry the application to return to. The dialplan remembers it: the others have no space for a long
name."""


class DialplanAction:
    """One action with its arguments; `returned` is done when the channel is back in Stasis."""

    def __init__(self, verb: Verb, *arguments: str) -> None:
        self.verb = verb
        self.is_recording = verb is Verb.RECORD
        self.carries_app = verb in VERBS_WITH_APP
        self.returned: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arguments = arguments

    def build_extension(self, application: str) -> str:
        """Return the extension of this action, returning to `application`. Raises `BadArgument` if it is too long."""
        encoded = (quote(argument, safe="").replace("~", "%7E") for argument in self._arguments)
        names = (application,) if self.carries_app else ()
        extension = "~".join((self.verb, *names, *encoded)).rstrip("~")
        if len(extension) > MAX_EXTENSION_BYTES:
            raise BadArgument(
                f"a dialplan action over ARI has {len(extension)} characters, at most {MAX_EXTENSION_BYTES} fit"
            )
        return extension if "~" in extension else f"{extension}~~"  # The pattern needs one more character.

    def mark_returned(self) -> None:
        if not self.returned.done():
            self.returned.set_result(None)
