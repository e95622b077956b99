"""Checks of the running service: what it says of itself at /readyz, compared with this program and the files."""

from __future__ import annotations

from collections.abc import Iterator

from ivr import __version__
from ivr.doctor.installation import Installation
from ivr.health.checks import run_checks
from ivr.health.facts import file_id
from ivr.health.finding import RESTART, Finding, Level, ok, problem, warning


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
