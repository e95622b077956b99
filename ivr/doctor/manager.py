"""Whether Asterisk's manager lets us in: message lights and calls to owners go through it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation

GREETING = b"Asterisk Call Manager/"
LONGEST = 8192
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""A line break in a value would begin a header of somebody else's."""


def manager(site: Installation) -> Iterator[Finding]:
    """Log in as the service does, and off again."""
    ami: Any = getattr(site.settings, "ami", None)
    if ami is None or not ami.secret:
        yield warning(
            "AMI", "not configured: no message lights, and nobody is called about new messages",
            "take asterisk-conf/manager.conf in, and put its user and secret into [ami] of ivr.toml",
        )  # fmt: skip
        return
    if _CONTROL.search(ami.user + ami.secret):
        yield problem("AMI", "its user or secret has a line break in it", "write both on one line in [ami] of ivr.toml")
        return
    yield _logged_in(site, ami)


def _logged_in(site: Installation, ami: Any) -> Finding:
    at = f"{ami.host}:{ami.port}"
    try:
        with site.machine.connect(ami.host, ami.port) as line:
            greeting = _until(line, b"\r\n")
            if greeting.startswith(GREETING):
                login = f"Action: Login\r\nUsername: {ami.user}\r\nSecret: {ami.secret}\r\nEvents: off\r\n\r\n"
                line.sendall(login.encode())
                answer = _until(line, b"\r\n\r\n", greeting.partition(b"\r\n")[2])
                line.sendall(b"Action: Logoff\r\n\r\n")
    except TimeoutError:
        greeting = b""
    except OSError as error:
        remedy = "enabled = yes, bindaddr and port in manager.conf; then: asterisk -rx 'manager reload'"
        return problem("AMI", f"nothing answers at {at}: {error}", remedy)
    if not greeting.startswith(GREETING):
        return problem("AMI", f"what answers at {at} is not Asterisk's manager", "see host and port of [ami]")
    if b"Response: Success" not in answer:
        remedy = f"the secret of [{ami.user}] in manager.conf must be that of [ami] in ivr.toml, and permit our address"
        return problem("AMI", f"Asterisk's manager at {at} refuses the user {ami.user}", remedy)
    return ok("AMI", f"{ami.user} is let in at {at}")


def _until(line: socket.socket, end: bytes, said: bytes = b"") -> bytes:
    """`said` and what comes until `end`, or until the other side is gone."""
    while end not in said and len(said) < LONGEST and (more := line.recv(LONGEST)):
        said += more
    return said
