"""What this door says when it cannot do as asked: one table from our errors to status and message (§4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ivr import errors

Data = Mapping[str, Any]


def _told(error: errors.IvrError) -> Data:
    return {"message": str(error)}


def _fields(error: errors.IvrError) -> Data:
    assert isinstance(error, errors.InvalidFields)
    return error.violations


def _identifier(error: errors.IvrError) -> Data:
    cause = getattr(error, "cause", None)
    return {"message": "bad identifier", "cause": cause or str(error)}


def _file(error: errors.IvrError) -> Data:
    return {"file": {"wrong_format": {"message": str(error)}}}


def _size(error: errors.IvrError) -> Data:
    assert isinstance(error, errors.TooLarge)
    return {"file": {"maxSize": {"message": f"Send {error}", "target": error.limit}}}


def _signing_in(error: errors.IvrError) -> Data:
    return {"message": "invalid credentials"}


def _ours(error: errors.IvrError) -> Data:
    return {"message": "it could not be done; nothing was changed", "cause": type(error).__name__}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line of the table."""

    error: type[errors.IvrError]
    status: int
    message: str
    data: Callable[[errors.IvrError], Data] = _told


TABLE = (
    Refusal(errors.InvalidFields, 400, "validation error", _fields),
    Refusal(errors.AudioRefused, 400, "validation error", _file),
    Refusal(errors.BadInput, 400, "invalid_request"),
    Refusal(errors.PastRetention, 400, "prior_to_retention_duration"),
    Refusal(errors.NotSignedIn, 401, "invalid_credentials", _signing_in),
    Refusal(errors.NotAllowed, 403, "forbidden"),
    Refusal(errors.NotFound, 404, "bad_identifier", _identifier),
    Refusal(errors.NoSuchPage, 404, "faulty_request"),
    Refusal(errors.NoSuchForm, 406, "not_acceptable"),
    Refusal(errors.Stalled, 408, "request_timeout"),
    Refusal(errors.Conflict, 409, "datastore_conflict"),
    Refusal(errors.BoxFull, 409, "mailbox_full"),
    Refusal(errors.Outdated, 412, "precondition_failed"),
    Refusal(errors.TooLarge, 413, "too_large", _size),
    Refusal(errors.UnknownForm, 415, "unsupported_media_type"),
    Refusal(errors.TooManyRows, 416, "too_many_rows"),
    Refusal(errors.NoSuchRange, 416, "range_not_satisfiable"),
    Refusal(errors.TooManyTries, 429, "too_many_requests"),
    Refusal(errors.StoreBusy, 503, "datastore_unreachable", _ours),
    Refusal(errors.StoreFull, 503, "datastore_fault", _ours),
    Refusal(errors.StoreError, 503, "datastore_fault", _ours),
    Refusal(errors.IvrError, 500, "unspecified_fault", _ours),
)
"""The first line that fits."""


def refusal_of(error: errors.IvrError) -> Refusal:
    """The line for an error."""
    return next(line for line in TABLE if isinstance(error, line.error))
