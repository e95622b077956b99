"""Messages of libraries are lines of the log like any other, and a client cannot write them."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import asyncio, logging, pathlib
from ivr.api.multipart import MultipartReader
from ivr.errors import BadInput
from ivr.logging_setup import configure_logging
from ivr.settings import Settings
for _ in range(2):
    configure_logging(Settings().log.model_copy(update={"json_lines": True}))
async def body():
    yield b"--x\\r\\nContent-\\x1b[31mType: a\\r\\n\\r\\n--y"
try:
    asyncio.run(MultipartReader('multipart/mixed; boundary="x"', pathlib.Path("audio"), 1000).read(body()))
except BadInput as error:
    print(error)
logging.getLogger("websockets.server").error("opening handshake failed", exc_info=True)
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("websockets.client").error("opening handshake failed: \\x1b[31m%s", "x" * 10_000)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("asyncio").exception("Task exception was never retrieved")
"""


CALLER = """
import structlog
from ivr.logging_setup import configure_logging
from ivr.settings import Settings
configure_logging(Settings().log.model_copy(update={"json_lines": False}))
for name in ("\\x1b[31mred", "\\x9b2J", "\\u202eback", "a\\u2028b", "a\\r\\nb"):
    try:
        raise ValueError(name)
    except ValueError:
        structlog.get_logger().exception("call.failed", channel=name, caller="5550100")
"""


def test_names_of_callers_control_no_terminal_and_begin_no_line() -> None:
    done = subprocess.run([sys.executable, "-c", CALLER], check=True, capture_output=True, text=True, encoding="utf-8")
    lines = (done.stdout + done.stderr).split("\n")
    assert all(line.isprintable() for line in lines)
    assert sum("call.failed" in line for line in lines) == 5
    assert r"channel=\x1b[31mred" in "".join(lines)


def test_messages_of_libraries_are_lines_of_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert "multipart" in done.stdout, "the client is told"
    first, second = map(json.loads, done.stderr.splitlines())
    assert (first["library"], first["level"], first["event"]) == ("websockets.client", "error", "library.message")
    assert first["text"].startswith(r"opening handshake failed: \x1b[31mxxx")
    assert len(first["text"]) < 600
    assert "ZeroDivisionError" in second["exception"]
