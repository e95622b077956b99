"""Checks of the running service: its FastAGI and REST ports."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.doctor import console_parsers
from ivr.doctor.console import ConsoleUnavailable
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation

AGI_HEADER = b"agi_network: yes\nagi_network_script: check\nagi_arg_1: skip_module=true\n\n"
"""A call without a channel, which the service neither answers nor records."""
SKIPPED_STATUS = b"IVR_STATUS SKIPPED"
MAX_REPLY_BYTES = 4096


def check_rest(installation: Installation) -> Iterator[Finding]:
    """Check that the REST port accepts connections."""
    host, port = installation.settings.api.host, installation.settings.api.port
    try:
        installation.host.connect(host, port).close()
    except OSError as error:
        remedy = "start the service: systemctl start ivr ('ivr serve --only calls' has no REST API)"
        yield warning("REST", f"no connection to {host}:{port}: {error}", remedy)
    else:
        yield ok("REST", f"accepts connections at {host}:{port}")


def check_fastagi(installation: Installation) -> Iterator[Finding]:
    """Check that the service responds at its FastAGI port, and that no other program uses it."""
    host, port = installation.settings.fastagi.host, installation.settings.fastagi.port
    address = f"{host}:{port}"
    try:
        with installation.host.connect(host, port) as connection:
            connection.sendall(AGI_HEADER)
            response = connection.recv(MAX_REPLY_BYTES)
            connection.sendall(b"200 result=1\n")
    except TimeoutError:
        response = b""
    except OSError as error:
        if _uses_classic_agi(installation):
            yield ok("service", "not running, and not needed: Asterisk starts ivr-agi for each call")
        else:
            yield problem(
                "service", f"no connection to {address}: {error}", "start it: systemctl start ivr, or ivr serve"
            )
        return
    if SKIPPED_STATUS in response:
        yield ok("service", f"accepts calls at {address}")
    else:
        yield problem(
            "service",
            f"{address} is used by another program, or the service does not respond",
            f"find the program: ss -ltnp 'sport = :{port}'; or change port in [fastagi] of ivr.toml, and"
            " IVR_FASTAGI_ADDRESS in the dialplan",
        )


def _uses_classic_agi(installation: Installation) -> bool:
    """Return whether the dialplan uses classic AGI: Asterisk starts a process for each call."""
    try:
        return (
            console_parsers.parse_global_variables(installation.console.run_command("dialplan show globals")).get(
                "IVR_TRANSPORT"
            )
            == "agi"
        )
    except ConsoleUnavailable:
        return False
