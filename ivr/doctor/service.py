"""Whether the service answers where Asterisk looks for it."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.doctor import answers
from ivr.doctor.console import NoAnswer
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation

GREETING = b"agi_network: yes\nagi_network_script: check\nagi_arg_1: skip_module=true\n\n"
"""A call that is passed by: nothing is answered, nothing is said (docs/dialplan.md)."""
ANSWER = b"IVRSTATUS SKIPPED"
LONGEST = 4096


def rest(site: Installation) -> Iterator[Finding]:
    """Whether somebody answers where programs speak REST."""
    host, number = site.settings.api.host, site.settings.api.port
    try:
        site.machine.connect(host, number).close()
    except OSError as error:
        remedy = "start it: systemctl start ivr; with 'ivr serve --only calls' there is none"
        yield warning("REST", f"nothing answers at {host}:{number}: {error}", remedy)
    else:
        yield ok("REST", f"answers at {host}:{number}")


def port(site: Installation) -> Iterator[Finding]:
    """Whether `ivr serve` answers at its port, and nobody else does."""
    host, number = site.settings.fastagi.host, site.settings.fastagi.port
    at = f"{host}:{number}"
    try:
        with site.machine.connect(host, number) as line:
            line.sendall(GREETING)
            said = line.recv(LONGEST)
            line.sendall(b"200 result=1\n")
    except TimeoutError:
        said = b""
    except OSError as error:
        if _is_without_one(site):
            yield ok("service", "none runs, and calls need none: Asterisk starts ivr-agi")
        else:
            yield problem("service", f"nothing answers at {at}: {error}", "start it: systemctl start ivr, or ivr serve")
        return
    if ANSWER in said:
        yield ok("service", f"takes calls at {at}")
    else:
        yield problem(
            "service", f"what answers at {at} is not ivr, or hangs",
            f"see who it is: ss -ltnp 'sport = :{number}'; or let [fastagi] port be another, and IVR_HOST too",
        )  # fmt: skip


def _is_without_one(site: Installation) -> bool:
    """Whether the dialplan starts a process for each call."""
    try:
        return answers.global_variables(site.console.ask("dialplan show globals")).get("IVR_TRANSPORT") == "agi"
    except NoAnswer:
        return False
