"""Whether the service answers where Asterisk looks for it."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.doctor import console_parsers
from ivr.doctor.console import ConsoleUnavailable
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation

AGI_HEADER = b"agi_network: yes\nagi_network_script: check\nagi_arg_1: skip_module=true\n\n"
"""A call that is passed by: nothing is answered, nothing is said (docs/dialplan.md)."""
SKIPPED_STATUS = b"IVR_STATUS SKIPPED"
MAX_REPLY_BYTES = 4096


def check_rest(installation: Installation) -> Iterator[Finding]:
    """Whether somebody answers where programs speak REST."""
    host, number = installation.settings.api.host, installation.settings.api.port
    try:
        installation.host.connect(host, number).close()
    except OSError as error:
        remedy = "start it: systemctl start ivr; with 'ivr serve --only calls' there is none"
        yield warning("REST", f"nothing answers at {host}:{number}: {error}", remedy)
    else:
        yield ok("REST", f"answers at {host}:{number}")


def check_fastagi(installation: Installation) -> Iterator[Finding]:
    """Whether `ivr serve` answers at its port, and nobody else does."""
    host, number = installation.settings.fastagi.host, installation.settings.fastagi.port
    at = f"{host}:{number}"
    try:
        with installation.host.connect(host, number) as line:
            line.sendall(AGI_HEADER)
            said = line.recv(MAX_REPLY_BYTES)
            line.sendall(b"200 result=1\n")
    except TimeoutError:
        said = b""
    except OSError as error:
        if _uses_classic_agi(installation):
            yield ok("service", "none runs, and calls need none: Asterisk starts ivr-agi")
        else:
            yield problem("service", f"nothing answers at {at}: {error}", "start it: systemctl start ivr, or ivr serve")
        return
    if SKIPPED_STATUS in said:
        yield ok("service", f"takes calls at {at}")
    else:
        yield problem(
            "service",
            f"what answers at {at} is not ivr, or hangs",
            f"see who it is: ss -ltnp 'sport = :{number}'; or let [fastagi] port be another, and IVR_FASTAGI_ADDRESS too",
        )


def _uses_classic_agi(installation: Installation) -> bool:
    """Whether the dialplan starts a process for each call."""
    try:
        return (
            console_parsers.parse_global_variables(installation.console.run_command("dialplan show globals")).get(
                "IVR_TRANSPORT"
            )
            == "agi"
        )
    except ConsoleUnavailable:
        return False
