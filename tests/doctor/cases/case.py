"""A way to break an installation and what the doctor says of it, and the steps that several of them take."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.doctor.broken_site import BrokenSite

Step = Callable[[BrokenSite], object]


@dataclass(frozen=True)
class Case:
    """A way to break an installation, and what the doctor says of it.

    The printed command is run. `fill_in`: what the site knows for words of it. `typed`: what is done in the editor that
    it opens, as a script of sed for its line. `as_root`: only root can break it so.
    """

    damage: Step
    check: str
    what: str
    fill_in: Mapping[str, str | Callable[[BrokenSite], object]] = field(default_factory=dict)
    typed: str = ""
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


def after(command: str, step: Step) -> Step:
    """Let a command, as it is logged, have this effect. `{folder}` stands for the folder of the site."""

    def damage(site: BrokenSite) -> None:
        site.effects[command.format(folder=site.folder)] = lambda: step(site)

    return damage


def close_locks(site: BrokenSite) -> None:
    site.stack.close()
