"""Configuration of the log: one line for each event, with a stable event name. Pressed keys are never logged."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from ivr.settings import LogSettings


def configure_logging(log_settings: LogSettings, out: TextIO = sys.stderr) -> None:
    """Configure structlog for this process. Lines are written to `out`."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if log_settings.json_lines else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[log_settings.level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(out),
    )
