"""Programs of the site: what they get, and when they are not run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ivr.errors import ProgramFailed
from ivr.site_program import SiteProgram

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a program that belongs to root needs root")


def program_of(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_program_gets_arguments_and_input_but_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IVR_MAIL__PASSWORD", "hidden")
    path = program_of(tmp_path, f'echo "$@" > {tmp_path}/out; cat >> {tmp_path}/out; env >> {tmp_path}/out')
    await SiteProgram(path, "[x] program").run("demo", "1000 $(id)", given="4716\n")
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[:2] == ["demo 1000 $(id)", "4716"]
    assert "hidden" not in str(lines)


@pytest.mark.parametrize("part", ["program", "folder", "link"])
async def test_program_that_others_can_change_is_not_run(tmp_path: Path, part: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    path = program_of(folder, f"touch {tmp_path}/ran")
    if part == "program":
        path.chmod(0o775)
    elif part == "folder":
        folder.chmod(0o777)
    else:
        link = tmp_path / "link"
        link.symlink_to(path)
        os.chown(path, 65534, -1)
        path = link
    with pytest.raises(ProgramFailed, match="can be changed by other users than root"):
        await SiteProgram(path, "[x] program").run()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("echo no modem >&2; exit 3", "exit code 3: no modem"), ("sleep 5; touch {folder}/ended", "has not ended after")],
)
async def test_failure_says_what_happened(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ProgramFailed, match=rf"of \[x\] program: .*{reason}"):
        await SiteProgram(program_of(tmp_path, text.format(folder=tmp_path)), "[x] program", timeout_s=0.5).run()
    assert not (tmp_path / "ended").exists(), "a program that takes too long is killed"


async def test_missing_program_fails(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="No such file"):
        await SiteProgram(tmp_path / "none", "[x] program").run()
