"""Checks of the running service: its ports, and what it says of itself at /readyz."""

from __future__ import annotations

from collections.abc import Iterator

from ivr import __version__
from ivr.doctor import console
from ivr.doctor.asterisk import set_global_command
from ivr.doctor.console import ConsoleUnavailable
from ivr.doctor.installation import Installation
from ivr.doctor.settings_file import set_command
from ivr.errors import describe_error
from ivr.health.checks import run_checks
from ivr.health.facts import file_id
from ivr.health.finding import RESTART, START, Finding, Level, ok, problem, warning
from ivr.validation.networks import format_address, local_host


def check_running_service(installation: Installation) -> Iterator[Finding]:
    """Check that the running service has this version and this data folder, and finds no problem itself.

    There is no finding if it does not respond: the checks of its ports report that.
    """
    try:
        readiness = installation.host.fetch_readiness(installation.settings)
    except OSError:
        return
    except ValueError as error:
        what = f"the running service does not say whether it is ready: {error}"
        yield warning("service", what, f"an earlier version may still run: {RESTART}", command=RESTART)
        return
    if readiness.get("version") != __version__:
        what = f"version {readiness.get('version')} still runs; {__version__} is installed"
        yield warning("service", what, command=RESTART)
    expected_folder = file_id(installation.data_folder)
    if readiness.get("data_folder") != (list(expected_folder) if expected_folder else None):
        what = f"the running service works with another folder than {installation.data_folder}: it was moved or deleted"
        yield problem("service", what, command=RESTART)
    elif failing := readiness.get("failing"):
        what = f"the running service is not ready: {', '.join(map(str, failing))}"
        found = {finding.check for finding in run_checks(installation.health_facts()) if finding.level is Level.PROBLEM}
        remedy = f"correct what is found here; then: {RESTART}" if found else ""
        yield problem("service", what, remedy, command="" if found else RESTART)
    else:
        yield ok("service", "the running service is ready")


AGI_HEADER = b"agi_network: yes\nagi_network_script: check\nagi_arg_1: skip_module=true\n\n"
"""A call without a channel, which the service neither answers nor records."""
SKIPPED_STATUS = b"IVR_STATUS SKIPPED"
MAX_REPLY_BYTES = 4096


def check_rest(installation: Installation) -> Iterator[Finding]:
    """Check that the REST port accepts connections."""
    host, port = installation.settings.api.host, installation.settings.api.port
    address = format_address(host, port)
    try:
        installation.host.connect(host, port).close()
    except OSError as error:
        remedy = "start the service: systemctl start ivr ('ivr serve --only calls' has no REST API)"
        yield warning("REST", f"no connection to {address}: {describe_error(error)}", remedy, command=START)
    else:
        yield ok("REST", f"accepts connections at {address}")


def check_fastagi(installation: Installation) -> Iterator[Finding]:
    """Check that the service responds at its FastAGI port, and that no other program uses it."""
    host, port = installation.settings.fastagi.host, installation.settings.fastagi.port
    address = format_address(host, port)
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
            what = f"no connection to {address}: {describe_error(error)}"
            yield problem("service", what, "start it: systemctl start ivr, or ivr serve", command=START)
        return
    if SKIPPED_STATUS in response:
        yield ok("service", f"accepts calls at {address}")
    elif not response:
        yield problem("service", f"the program that uses {address} does not respond", command=RESTART)
    else:
        yield problem(
            "service",
            f"{address} is used by another program",
            f"find it, and end it: ss -ltnp 'sport = :{port}'; or give the service PORT, another one that is free",
            command=f"{set_global_command('IVR_FASTAGI_ADDRESS', format_address(local_host(host), 'PORT'))} && "
            f"{set_command(installation.config_file, 'fastagi', {'port': 'PORT'})}",
            fill_in=("PORT",),
        )


def _uses_classic_agi(installation: Installation) -> bool:
    """Return whether the dialplan uses classic AGI: Asterisk starts a process for each call."""
    try:
        return (
            console.parse_global_variables(installation.console.run_command("dialplan show globals")).get(
                "IVR_TRANSPORT"
            )
            == "agi"
        )
    except ConsoleUnavailable:
        return False
