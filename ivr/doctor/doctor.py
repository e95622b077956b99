"""All checks, in the order in which an administrator corrects things."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ivr.doctor import ami, data_folder, host, service
from ivr.doctor.ari import check_ari
from ivr.doctor.asterisk import check_asterisk
from ivr.doctor.finding import Finding
from ivr.doctor.installation import Installation

CHECKS: tuple[Callable[[Installation], Iterator[Finding]], ...] = (
    host.check_configuration,
    data_folder.check_data_folder,
    data_folder.check_takes_folder,
    data_folder.check_secret_files,
    data_folder.check_database_files,
    data_folder.check_pepper,
    host.check_database,
    host.check_sounds,
    host.check_clock,
    host.check_time_zones,
    data_folder.check_disk_space,
    host.check_ffmpeg,
    service.check_fastagi,
    service.check_rest,
    check_asterisk,
    ami.check_ami,
    check_ari,
)


def run_checks(installation: Installation) -> Iterator[Finding]:
    """Run all checks. A defective installation causes findings, never an exception."""
    for check in CHECKS:
        yield from check(installation)
