"""A way to break an installation and what the doctor says of it, and the steps that several of them take."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from tests.doctor.broken_site import BrokenSite

Step = Callable[[BrokenSite], object]


@dataclass(frozen=True)
class Case:
    """A way to break an installation, and what the doctor says of it.

    `follow`: does what the sentence says; None: the printed command is run. `as_root`: only root can break it so.
    """

    damage: Step
    check: str
    what: str
    follow: Step | None = None
    as_root: bool = False


def chmod(name: str, mode: int) -> Step:
    return lambda site: (site.data / name).chmod(mode)


def chown_to_root(name: str, mode: int | None = None) -> Step:
    def damage(site: BrokenSite) -> None:
        os.chown(site.data / name, 0, 0)
        if mode is not None:
            (site.data / name).chmod(mode)

    return damage


def move(source: str, target: str) -> Step:
    return lambda site: (site.folder / source).rename(site.folder / target)


def write(name: str, text: str) -> Step:
    return lambda site: (site.folder / name).write_text(text)


def append(name: str, text: str) -> Step:
    return lambda site: (site.folder / name).write_text((site.folder / name).read_text() + text)


def set_config(section: str, **values: object) -> Step:
    return lambda site: site.write_config(**{section: values})


def change_row(sql: str, *values: object) -> Step:
    return lambda site: site.change_row(sql, *values)


def set_global(name: str, value: str) -> Step:
    return lambda site: site.set_global(name, value)


def remove_global(name: str) -> Step:
    def damage(site: BrokenSite) -> None:
        for file in (site.asterisk / "ivr" / "secret.conf", site.asterisk / "loaded.conf"):
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(line for line in lines if not line.startswith(name)))

    return damage


def all_of(*steps: Step) -> Step:
    return lambda site: [step(site) for step in steps]


def close_locks(site: BrokenSite) -> None:
    site.stack.close()
