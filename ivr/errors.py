"""The exceptions of this project.

    HungUp                               not an error: the caller has hung up
    IvrError
    ├── CallFailed                       Asterisk replied with an error or not at all
    │   ├── UnplayableSound              Asterisk could not play a sound file
    │   ├── RecordingFailed              Asterisk could not write a recording
    │   ├── ConnectionLost               the connection to Asterisk was lost or a request timed out
    │   ├── ReclaimedByDialplan          the dialplan has taken the call back
    │   └── ServiceStopping              the service stops; the call continues after a restart or elsewhere
    ├── BadInput                         input of a person or client is invalid
    │   ├── InvalidFields                a document violates its schema
    │   ├── BadArgument                  a dialplan argument or command option is invalid
    │   └── InvalidAudio                 a file is not the audio that it claims to be
    ├── NotFound                         an account, user, box, message or recording does not exist
    │   └── BoxDeleted                   a box was deleted during an operation on it
    ├── Conflict                         another change came first: a number in use, a newer revision
    ├── BoxFull                          the quota of a box is exceeded
    ├── PastRetention                    a message is past its retention period
    ├── ProgramFailed                    a program of the site was not run, or failed
    ├── NotificationFailed               a notification was not delivered and is retried
    │   ├── AudioUnavailable             a message's audio cannot be read or converted for a mail
    │   └── NotificationUndeliverable    a notification can never be delivered and is not retried
    │       └── MailContentRefused       the mail server refuses what is in a mail
    │           └── MailTooLarge         the mail server refuses a mail for its size
    ├── AmiUnavailable                   no AMI connection or no response in time
    │   └── AmiActionRejected            Asterisk rejected an AMI action
    ├── StoreError                       a transaction failed and changed nothing, but for StoreUnsure
    │   ├── StoreBusy                    another process holds the database lock
    │   ├── StoreUnsure                  the connection broke in a commit: the change may have happened
    │   ├── DiskFull                     the disk of the data folder is full
    │   ├── InvalidBackup                a backup is damaged, incomplete, or none of ivr
    │   └── MigrationRequired            an earlier version has written the database
    ├── RestError                        a REST request fails with the HTTP status of this name
    │   ├── Unauthorized                 401  the token is missing, invalid or expired
    │   ├── Forbidden                    403  the token does not permit the request
    │   ├── InvalidPage                  404  the page size or start key is invalid (404 as in Kazoo)
    │   ├── NotAcceptable                406  no available format matches the Accept header
    │   ├── BodyTimeout                  408  the request body stopped arriving
    │   ├── PreconditionFailed           412  the document has another revision than If-Match requires
    │   ├── PayloadTooLarge              413  the request body exceeds a limit
    │   ├── UnsupportedMediaType         415  the request body is neither JSON, form nor audio
    │   ├── PageRequired                 416  a list is too long to be returned without pages (416 as in Kazoo)
    │   ├── RangeNotSatisfiable          416  the byte range lies outside of the audio
    │   ├── RateLimited                  429  too many wrong tokens or credentials
    │   └── TooMuchWork                  503  too many uploads of an account wait for conversion
    └── ConfigurationError               the installation needs its administrator
        ├── SettingsError                ivr.toml or an IVR_* variable is invalid
        ├── PepperChanged                the pepper is not the one that PINs and passwords were stored with
        ├── CatalogueError               a prompt catalogue is invalid
        └── SoundsError                  audio cannot be read, made or converted

A message reads "what is wrong: what to do". Each edge maps the tree in one table: the phone in
`ivr/menus/menu.py`, the command line in `ivr/cli/support.py`, REST in `ivr/api/error_responses.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

Violations = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Field (nested ones joined by ".") → rule → {"message": …, "target": …}; the shape of Kazoo's validation errors."""


class HungUp(Exception):
    """The caller has hung up. Not an `IvrError`, so that no error handler swallows it."""


class IvrError(Exception):
    """Base class of all expected errors."""


class CallFailed(IvrError):
    """Asterisk replied with an error or not at all."""


class UnplayableSound(CallFailed):
    """Asterisk could not play a sound file."""


class RecordingFailed(CallFailed):
    """Asterisk could not write a recording: the disk is full or permission is missing."""


class ConnectionLost(CallFailed):
    """The connection to Asterisk was lost or a request timed out; the request may have been executed."""


class ReclaimedByDialplan(CallFailed):
    """The dialplan has taken the call back before the menus ended it."""


class ServiceStopping(CallFailed):
    """The service stops. The call stays in Stasis, and is resumed after a restart or by another service."""


class BadInput(IvrError):
    """Input of a person or client is invalid."""


NOT_ENUMERATED = "Value not found in enumerated list of values"
"""Kazoo's words for a value that is none of a few. The `target` of the violation names these."""
TOO_FEW_ITEMS = "Value must have at least 1 item: write the items with commas between them"


class InvalidFields(BadInput):
    """A document violates its schema."""

    def __init__(self, violations: Violations) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in self.reasons()))

    def reasons(self) -> list[tuple[str, str]]:
        """Return the field and the reason of each violation."""
        return [(field, _describe(rule)) for field, rules in self.violations.items() for rule in rules.values()]


def _describe(rule: Mapping[str, object]) -> str:
    is_enumerated = rule["message"] == NOT_ENUMERATED and rule.get("target")
    return f"{rule['message']}: write {rule['target']}" if is_enumerated else str(rule["message"])


class BadArgument(BadInput):
    """A dialplan argument or command option is invalid."""


class InvalidAudio(BadInput):
    """A file is not the audio that it claims to be."""


class NotFound(IvrError):
    """An account, user, box, message or recording does not exist. `cause`: the id that was looked up."""

    def __init__(self, message: str, cause: str | None = None) -> None:
        self.cause = cause
        super().__init__(message)


class BoxDeleted(NotFound):
    """A box was deleted during an operation on it."""


class Conflict(IvrError):
    """Another change came first: a number is in use, or the document has a newer revision."""


class BoxFull(IvrError):
    """The quota of a box is exceeded; nothing was changed."""


class PastRetention(IvrError):
    """A message is past its retention period, and may be neither read nor changed."""


class ProgramFailed(IvrError):
    """A program of the site was not run, or failed."""


class NotificationFailed(IvrError):
    """A notification was not delivered; it is retried later."""


class AudioUnavailable(NotificationFailed):
    """The audio of a message cannot be read or converted for a mail."""


class NotificationUndeliverable(NotificationFailed):
    """A notification can never be delivered; it is not retried."""


class MailContentRefused(NotificationUndeliverable):
    """The mail server refuses what is in a mail; one without the audio may be accepted."""


class MailTooLarge(MailContentRefused):
    """The mail server refuses a mail for its size; a smaller one may be accepted."""


class AmiUnavailable(IvrError):
    """No AMI connection, or no response in time; the action may have been executed."""


class AmiActionRejected(AmiUnavailable):
    """Asterisk rejected an AMI action."""


class StoreError(IvrError):
    """A transaction failed. It changed nothing, unless this is `StoreUnsure`."""


class StoreBusy(StoreError):
    """Another process has held the database lock for too long."""


class StoreUnsure(StoreError):
    """The connection to the database broke in a commit, and no server says whether it has happened."""


class DiskFull(StoreError):
    """The disk of the data folder is full: recordings of the dialplan would not fit either."""


class InvalidBackup(StoreError):
    """A backup is damaged, incomplete, or none of ivr."""


class MigrationRequired(StoreError):
    """An earlier version has written the database. Only the service and `ivr migrate` migrate it."""


class RestError(IvrError):
    """A REST request fails with the HTTP status of this name."""


class Unauthorized(RestError):
    """401: the token is missing, invalid or expired."""


class Forbidden(RestError):
    """403: the token does not permit the request."""


class InvalidPage(RestError):
    """404, as in Kazoo: the page size or start key is invalid."""


class NotAcceptable(RestError):
    """406: no available format matches the Accept header."""


class BodyTimeout(RestError):
    """408: the request body stopped arriving."""


class PreconditionFailed(RestError):
    """412: the document has another revision than If-Match requires."""


class PayloadTooLarge(RestError):
    """413: the request body exceeds a limit. `limit`: in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"request is too large: send at most {limit} bytes")


class UnsupportedMediaType(RestError):
    """415: the request body is neither JSON, form nor audio."""


class PageRequired(RestError):
    """416, as in Kazoo: a list is too long to be returned without pages."""


class RangeNotSatisfiable(RestError):
    """416: the byte range lies outside of the audio. `size`: of the audio, in bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"byte range is outside of the audio: it has {size} bytes")


class RateLimited(RestError):
    """429: too many wrong tokens or credentials came from one address."""


class TooMuchWork(RestError):
    """503: too many uploads of an account wait for conversion. Nothing was changed."""


class ConfigurationError(IvrError):
    """The installation needs its administrator."""


class SettingsError(ConfigurationError):
    """ivr.toml or an IVR_* variable is invalid."""


class PepperChanged(ConfigurationError):
    """The pepper is not the one that PINs and passwords were stored with."""


class CatalogueError(ConfigurationError):
    """A prompt catalogue is invalid."""


class SoundsError(ConfigurationError):
    """Audio cannot be read, made or converted."""


def describe_error(error: Exception) -> str:
    """Return what happened. Of an error of the operating system: in words, with the file, without its number."""
    cause = getattr(error, "reason", None)  # As `urllib` wraps it.
    if isinstance(cause, OSError):
        error = cause
    if not isinstance(error, OSError):
        return str(error)
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio writes "Connect call failed" and the address.
    text = error.strerror or str(error)
    return f"{text}: {error.filename}" if error.filename else text


def install_command(extra: str) -> str:
    """Return the command that installs the libraries of an extra for this Python, whichever `pip` is in PATH."""
    return f"{sys.executable} -m pip install 'ivr-voicemail[{extra}]'"
