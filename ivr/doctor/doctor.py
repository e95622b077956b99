"""All checks, in the order in which an administrator mends things."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ivr.doctor import folder, machine, manager, service
from ivr.doctor.ari import ari
from ivr.doctor.asterisk import asterisk
from ivr.doctor.finding import Finding
from ivr.doctor.installation import Installation

CHECKS: tuple[Callable[[Installation], Iterator[Finding]], ...] = (
    machine.configuration,
    folder.data_folder,
    folder.takes_folder,
    folder.secret_files,
    machine.database,
    machine.sounds,
    machine.clock,
    machine.time_zones,
    folder.disk_room,
    machine.ffmpeg,
    service.port,
    service.rest,
    asterisk,
    manager.manager,
    ari,
)


def examine(site: Installation) -> Iterator[Finding]:
    """What is to be said about an installation. Raises nothing that an installation can be the cause of."""
    for check in CHECKS:
        yield from check(site)
