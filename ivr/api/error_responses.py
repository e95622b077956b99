"""One table from errors to HTTP status and message. The messages are those of Kazoo where Kazoo has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ivr import errors

ErrorData = Mapping[str, Any]


def _message_data(error: errors.IvrError) -> ErrorData:
    return {"message": str(error)}


def _violations_data(error: errors.IvrError) -> ErrorData:
    assert isinstance(error, errors.InvalidFields)
    return error.violations


def _identifier_data(error: errors.IvrError) -> ErrorData:
    cause = getattr(error, "cause", None)
    return {"message": "bad identifier", "cause": cause or str(error)}


def _audio_file_data(error: errors.IvrError) -> ErrorData:
    return {"file": {"wrong_format": {"message": str(error)}}}


def _size_data(error: errors.IvrError) -> ErrorData:
    assert isinstance(error, errors.PayloadTooLarge)
    return {"file": {"maxSize": {"message": str(error), "target": error.limit}}}


def _credentials_data(error: errors.IvrError) -> ErrorData:
    return {"message": "invalid credentials"}


def _server_error_data(error: errors.IvrError) -> ErrorData:
    return {"message": "the request failed and nothing was changed: try again later", "cause": type(error).__name__}


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A row of the table: errors of `error_class` become `status` and `message`."""

    error_class: type[errors.IvrError]
    status: int
    message: str
    build_data: Callable[[errors.IvrError], ErrorData] = _message_data


ERROR_RESPONSES = (
    ErrorResponse(errors.InvalidFields, 400, "validation error", _violations_data),
    ErrorResponse(errors.InvalidAudio, 400, "validation error", _audio_file_data),
    ErrorResponse(errors.BadInput, 400, "invalid_request"),
    ErrorResponse(errors.PastRetention, 400, "prior_to_retention_duration"),
    ErrorResponse(errors.Unauthorized, 401, "invalid_credentials", _credentials_data),
    ErrorResponse(errors.Forbidden, 403, "forbidden"),
    ErrorResponse(errors.NotFound, 404, "bad_identifier", _identifier_data),
    ErrorResponse(errors.InvalidPage, 404, "faulty_request"),
    ErrorResponse(errors.NotAcceptable, 406, "not_acceptable"),
    ErrorResponse(errors.BodyTimeout, 408, "request_timeout"),
    ErrorResponse(errors.Conflict, 409, "datastore_conflict"),
    ErrorResponse(errors.BoxFull, 409, "mailbox_full"),
    ErrorResponse(errors.PreconditionFailed, 412, "precondition_failed"),
    ErrorResponse(errors.PayloadTooLarge, 413, "too_large", _size_data),
    ErrorResponse(errors.UnsupportedMediaType, 415, "unsupported_media_type"),
    ErrorResponse(errors.PageRequired, 416, "too_many_rows"),
    ErrorResponse(errors.RangeNotSatisfiable, 416, "range_not_satisfiable"),
    ErrorResponse(errors.RateLimited, 429, "too_many_requests"),
    ErrorResponse(errors.TooMuchWork, 503, "too_many_uploads"),
    ErrorResponse(errors.StoreBusy, 503, "datastore_unreachable", _server_error_data),
    ErrorResponse(errors.DiskFull, 503, "datastore_fault", _server_error_data),
    ErrorResponse(errors.StoreError, 503, "datastore_fault", _server_error_data),
    ErrorResponse(errors.IvrError, 500, "unspecified_fault", _server_error_data),
)
"""The first row that matches an error applies."""


def response_for(error: errors.IvrError) -> ErrorResponse:
    """Return the row that applies to an error."""
    return next(response for response in ERROR_RESPONSES if isinstance(error, response.error_class))
