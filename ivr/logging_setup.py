"""Configuration of the log: one line for each event, with a stable event name. Pressed keys are never logged."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TextIO

import structlog

from ivr.settings import LogSettings

MAX_LIBRARY_MESSAGE = 500
LIBRARY_LEVELS = {
    "python_multipart": logging.CRITICAL,
    "uvicorn.error": logging.ERROR,
    "websockets.server": logging.CRITICAL,
}
"""From which level on: below it, each request that is malformed would be a line, and some a traceback."""


def configure_logging(log_settings: LogSettings, out: TextIO = sys.stderr) -> None:
    """Configure structlog for this process. Lines are written to `out`, also those of libraries."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if log_settings.json_lines else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            escape_invisible,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[log_settings.level.upper()]),
        logger_factory=partial(_return_logger, structlog.WriteLogger(out)),  # A new one for each line takes longer.
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _LibraryHandler) for handler in root.handlers):
        root.addHandler(_LibraryHandler(logging.WARNING))
    for library, level in LIBRARY_LEVELS.items():
        logging.getLogger(library).setLevel(level)


def _return_logger(logger: structlog.WriteLogger, *_: object) -> structlog.WriteLogger:
    return logger


def escape_invisible(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what is no visible character in the texts of a line: callers and clients choose some of them.

    A name could colour the terminal of who reads the log, reverse its direction, or look like another line.
    """
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = "".join(_escape(one) if one != "\n" or key != "exception" else one for one in value)
    return event


def _escape(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


class _LibraryHandler(logging.Handler):
    """Writes the warnings of libraries as lines of the log. They can quote what a client has sent."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()[:MAX_LIBRARY_MESSAGE].encode("unicode_escape").decode("ascii")
        level = min(record.levelno, logging.ERROR)
        structlog.get_logger().log(level, "library.message", library=record.name, text=text, exc_info=record.exc_info)
