"""A wheel, installed in an empty venv elsewhere, is a whole voicemail: prompts, samples, commands, a call.

Nothing is downloaded: the wheel is built without isolation, by the setuptools of the venv that runs the tests, and its
venv finds the libraries that it depends on in that one, by a .pth file. (The .pth of the checkout itself, which lies
there too, is not followed: Python follows them in a venv's own folder only.)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.audio import wav

ROOT = Path(__file__).parents[2]
CARRIED = ("asterisk-conf", "sounds", "systemd")
TAKEN_TO_BUILD = ("ivr", *CARRIED, "setup.cfg", "pyproject.toml", "README.md")
SERVICE_STARTS_WITHIN_S = 30


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build gets in, and nothing of this one is left."""
    source = tmp_path_factory.mktemp("source")
    for name in TAKEN_TO_BUILD:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    words = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(source / "out"), str(source)]
    _run(*pip, *words)
    [built] = (source / "out").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty venv with the wheel in it."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--python", str(home / "bin" / "python")]
    _run(*pip, "install", "--no-deps", "--no-index", str(wheel))
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


class Site:
    """The commands of that venv, on a data folder of their own."""

    def __init__(self, home: Path, data: Path) -> None:
        self.ivr = str(home / "bin" / "ivr")
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment = {**kept, "IVR_DATA__FOLDER": str(data), "IVR_PINS__COST": "4", "IVR_FASTAGI__PORT": "0"}
        self.environment["IVR_API__PORT"] = "0"

    def run(self, *words: str, given: str = "", fails: int = 0) -> str:
        done = subprocess.run(
            [self.ivr, *words], input=given, capture_output=True, text=True, check=False, cwd="/", timeout=120,
            env=self.environment,
        )  # fmt: skip
        assert done.returncode == fails, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout


@pytest.fixture
def site(elsewhere: Path, tmp_path: Path) -> Iterator[Site]:
    """Alice has a box with a message, and the service runs."""
    site = Site(elsewhere, tmp_path / "data")
    site.run("account", "create", "demo")
    site.run("user", "create", "alice")
    site.run("endpoint", "add", "alice-desk", "alice")
    site.run("box", "create", "1000", "--owner", "alice", "--pin", "2580", "is_setup=true")
    wav.write(tmp_path / "in.wav", b"\x10\x20" * 16_000)
    site.run("message", "add", "1000", str(tmp_path / "in.wav"))
    with subprocess.Popen(
        [site.ivr, "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/", env=site.environment
    ) as service:
        try:
            assert service.stdout
            ready = service.stdout.readline()
            told = re.search(r"ready for Asterisk at agi://127\.0\.0\.1:(\d+)/", ready)
            assert told, ready
            site.environment["IVR_FASTAGI__PORT"] = told[1]
            yield site
        finally:
            service.terminate()
            service.wait(SERVICE_STARTS_WITHIN_S)


def test_it_carries_all_prompts_and_samples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        there = {name.partition("/data/share/ivr/")[2] for name in file.namelist()}
    wanted = {str(path.relative_to(ROOT)) for top in CARRIED for path in (ROOT / top).rglob("*") if path.is_file()}
    missing = sorted(wanted - there)
    assert not missing, f"setup.cfg, [options.data_files], lacks the folders of {missing[:5]}"
    assert len(wanted) > 300


def test_it_is_that_wheel_which_runs(elsewhere: Path) -> None:
    code = "import ivr; print(ivr.__file__)"
    found = _run(str(elsewhere / "bin" / "python"), "-c", code)
    assert Path(found.strip()).is_relative_to(elsewhere)


def test_the_doctor_finds_its_prompts(site: Site, elsewhere: Path) -> None:
    found = json.loads(site.run("doctor", "--json", fails=1))
    said = {finding["check"]: finding for finding in found}
    assert said["sounds"] == {
        "check": "sounds", "level": "ok", "what": str(elsewhere / "share" / "ivr" / "sounds" / "en"), "remedy": "",
    }  # fmt: skip
    assert said["service"]["level"] == "ok"
    assert "1 boxes" in said["database"]["what"]
    problems = {finding["check"] for finding in found if finding["level"] == "problem"}
    assert problems <= {"asterisk", "data folder"}, "there is no Asterisk here, and folders of tests are anybody's"


def test_a_call_from_its_terminal_phone(site: Site) -> None:
    heard = " ".join(site.run("phone", "*97", "--fast").split())
    for words in ("You have one new message", "Message one", "Goodbye.", "the call is over (DONE)"):
        assert words in heard
    assert folder_of_the_message(site) == "saved", "it was heard to its end"
    site.run("phone", "*97", "--fast", given="27#")
    assert folder_of_the_message(site) == "deleted"
    calls = json.loads(site.run("calls", "list", "--account", "demo", "--json"))
    assert [(call["box"], call["status"]) for call in calls] == [("1000", "DONE")] * 2


def folder_of_the_message(site: Site) -> str:
    [message] = json.loads(site.run("message", "list", "1000", "--json"))
    return str(message["folder"])


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
