"""Everything this project raises on purpose.

    HungUp                      no error: the caller is gone; caught once, where the call began
    IvrError
    ├── CallFailed              Asterisk answered nonsense, or not at all
    │   ├── UnplayableSound     a sound file that Asterisk could not play
    │   ├── NotRecorded         a recording that Asterisk could not write
    │   ├── LineLost            the connection to Asterisk's ARI is gone, or gave no answer
    │   ├── TakenBack           the dialplan has the call again
    │   └── LeftAlone           this service ends; the call stays where it is, for another to take it up
    ├── BadInput                what a person or a program gave cannot be used
    │   ├── InvalidFields       a document breaks its schema: field → rule → message
    │   ├── BadArgument         a dialplan argument or an option of a command
    │   └── AudioRefused        a file that is not the audio it claims to be
    ├── NotFound                an account, user, box, message or recording that is not there
    │   └── BoxGone             a box that was taken away while somebody had to do with it
    ├── Conflict                somebody else was first: a number in use, a revision that moved on
    ├── BoxFull                 a box whose quota leaves no room for what should come into it
    ├── PastRetention           a message too old to be touched (kazoo-behaviour §3.4)
    ├── NotDelivered            a notification that did not arrive; it is tried again later
    │   └── Undeliverable       one that never will: trying again is of no use
    ├── AsteriskAway            no connection to Asterisk's manager, or no answer in time
    │   └── ActionRefused       Asterisk answered, and said no
    ├── StoreError              the store could not do it; nothing was half done
    │   ├── StoreBusy           another process holds the database for too long
    │   └── StoreFull           no room left on the disk
    ├── RequestRefused          a program's request that is not taken as it is
    │   ├── NotSignedIn         no token, or none that holds
    │   ├── NotAllowed          not with this token
    │   ├── TooManyTries        wrong tokens or credentials, too many of them
    │   ├── Outdated            it rests on a revision that moved on
    │   ├── NoSuchForm          none of the media types that it takes can be given
    │   ├── UnknownForm         what it carries is neither JSON, form nor audio
    │   ├── TooLarge            it carries too much
    │   ├── TooManyRows         it asks for more than is given without pages
    │   ├── Stalled             its body stopped coming
    │   ├── NoSuchRange         a range of bytes that is not there
    │   └── NoSuchPage          a page size or a key that makes no sense
    └── Misconfigured           this installation needs its administrator
        ├── SettingsError       ivr.toml or an IVR_* variable
        ├── CatalogueError      sounds/<language>/catalogue.toml
        └── SoundsError         a recording, or the program that makes them

Each message says what is wrong and, where there is one, the remedy. Each edge maps the tree once: the phone in
`ivr/menus/error_prompts.py`, the command line in `ivr/cli/support.py`, REST in `ivr/api/error_responses.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

Violations = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Field (nested ones joined by ".") → rule → {"message": …, "target": …} (kazoo-behaviour §4.2)."""


class HungUp(Exception):
    """The caller is gone. No `IvrError`, so that nothing which handles errors ever swallows it."""


class IvrError(Exception):
    """Anything that went wrong and was meant to be told."""


class CallFailed(IvrError):
    """Asterisk answered nonsense, or not at all."""


class UnplayableSound(CallFailed):
    """A sound file that Asterisk could not play."""


class RecordingFailed(CallFailed):
    """A recording that Asterisk could not write: no room, or no right to."""


class ConnectionLost(CallFailed):
    """The connection to Asterisk is gone, or a response did not come: what was requested may have been done."""


class ReclaimedByDialplan(CallFailed):
    """The dialplan has the call again, before we had finished with it."""


class ServiceStopping(CallFailed):
    """This service ends. The call stays where it is, for the next start or another service to take it up."""


class BadInput(IvrError):
    """What a person or a program gave cannot be used."""


class InvalidFields(BadInput):
    """A document breaks its schema."""

    def __init__(self, violations: Violations) -> None:
        self.violations = violations
        super().__init__(
            "; ".join(f"{field}: {rule['message']}" for field, rules in violations.items() for rule in rules.values())
        )


class BadArgument(BadInput):
    """A dialplan argument or an option of a command."""


class InvalidAudio(BadInput):
    """A file that is not the audio it claims to be."""


class NotFound(IvrError):
    """An account, user, box, message or recording that is not there; `cause`: the id that was asked for."""

    def __init__(self, message: str, cause: str | None = None) -> None:
        self.cause = cause
        super().__init__(message)


class BoxDeleted(NotFound):
    """A box that was taken away while somebody had to do with it."""


class Conflict(IvrError):
    """Somebody else was first."""


class BoxFull(IvrError):
    """A box whose quota leaves no room for what should come into it; nothing was changed."""


class PastRetention(IvrError):
    """A message too old to be touched."""


class NotificationFailed(IvrError):
    """A notification that was not delivered because of a temporary error; it is retried."""


class NotificationUndeliverable(NotificationFailed):
    """A notification that cannot be delivered; it is given up without a retry."""


class AmiUnavailable(IvrError):
    """No connection to Asterisk's manager interface, or no response in time."""


class AmiActionRejected(AmiUnavailable):
    """Asterisk rejected an AMI action."""


class StoreError(IvrError):
    """The store could not do it; nothing was half done."""


class StoreBusy(StoreError):
    """Another process holds the database for too long."""


class DiskFull(StoreError):
    """No room left on the disk."""


class RequestRejected(IvrError):
    """A program's request that is not taken as it is."""


class Unauthorized(RequestRejected):
    """No token, or none that holds."""


class Forbidden(RequestRejected):
    """Not with this token."""


class RateLimited(RequestRejected):
    """Wrong tokens or credentials, too many of them."""


class PreconditionFailed(RequestRejected):
    """It rests on a revision that moved on."""


class NotAcceptable(RequestRejected):
    """None of the media types that it takes can be given."""


class UnsupportedMediaType(RequestRejected):
    """What it carries is neither JSON, form nor audio."""


class PayloadTooLarge(RequestRejected):
    """It carries too much; `limit` in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"at most {limit} bytes at once")


class PageRequired(RequestRejected):
    """It asks for more than is given without pages."""


class BodyTimeout(RequestRejected):
    """Its body stopped coming."""


class RangeNotSatisfiable(RequestRejected):
    """A range of bytes that is not there; `size`: how many there are."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"there are {size} bytes")


class InvalidPage(RequestRejected):
    """A page size or a key that makes no sense."""


class ConfigurationError(IvrError):
    """This installation needs its administrator."""


class SettingsError(ConfigurationError):
    """ivr.toml or an IVR_* variable."""


class CatalogueError(ConfigurationError):
    """The catalogue of prompts of one language."""


class SoundsError(ConfigurationError):
    """A recording, or the program that makes them."""
