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
PACKAGED_FILES = ("asterisk-conf", "monitoring", "sounds", "systemd")
DOCUMENTS = ("README.md", "CHANGELOG.md", "docs/*.md", "docs/pictures/*")
BUILD_INPUTS = ("ivr", *PACKAGED_FILES, "docs", "setup.cfg", "pyproject.toml", "README.md", "CHANGELOG.md")
SERVICE_START_TIMEOUT_S = 30


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build gets in, and nothing of this one is left."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILD_INPUTS:
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
def wheel_venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty venv with the wheel in it."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--python", str(home / "bin" / "python")]
    _run(*pip, "install", "--no-deps", "--no-index", str(wheel))
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


class WheelInstallation:
    """The commands of that venv, on a data folder of their own."""

    def __init__(self, app: Path, data: Path) -> None:
        self.ivr = str(app / "bin" / "ivr")
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment = {
            **inherited,
            "IVR_DATA__FOLDER": str(data),
            "IVR_PINS__BCRYPT_COST": "4",
            "IVR_FASTAGI__PORT": "0",
        }
        self.environment["IVR_API__PORT"] = "0"

    def run_ivr(self, *words: str, given: str = "", fails: int = 0) -> str:
        done = subprocess.run(
            [self.ivr, *words], input=given, capture_output=True, text=True, check=False, cwd="/", timeout=120,
            env=self.environment,
        )  # fmt: skip
        assert done.returncode == fails, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout


@pytest.fixture
def wheel_installation(wheel_venv: Path, tmp_path: Path) -> Iterator[WheelInstallation]:
    """Alice has a box with a message, and the service runs."""
    site = WheelInstallation(wheel_venv, tmp_path / "data")
    site.run_ivr("account", "create", "demo")
    site.run_ivr("user", "create", "alice")
    site.run_ivr("endpoint", "add", "alice-desk", "alice")
    site.run_ivr("box", "create", "1000", "--owner", "alice", "--pin", "4716", "is_setup=true")
    wav.write(tmp_path / "in.wav", b"\x10\x20" * 16_000)
    site.run_ivr("message", "add", "1000", str(tmp_path / "in.wav"))
    with subprocess.Popen(
        [site.ivr, "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/", env=site.environment
    ) as service:
        try:
            assert service.stdout
            ready = service.stdout.readline()
            address = re.search(r"ready for Asterisk at agi://127\.0\.0\.1:(\d+)/", ready)
            assert address, ready
            site.environment["IVR_FASTAGI__PORT"] = address[1]
            yield site
        finally:
            service.terminate()
            service.wait(SERVICE_START_TIMEOUT_S)


def test_wheel_contains_prompts_and_samples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        there = {name.partition("/data/share/ivr/")[2] for name in file.namelist()}
    wanted = {
        str(path.relative_to(ROOT)) for top in PACKAGED_FILES for path in (ROOT / top).rglob("*") if path.is_file()
    }
    wanted |= {str(path.relative_to(ROOT)) for pattern in DOCUMENTS for path in ROOT.glob(pattern)}
    missing = sorted(wanted - there)
    assert not missing, f"setup.cfg, [options.data_files], lacks the folders of {missing[:5]}"
    assert len(wanted) > 300


def test_installed_wheel_is_imported(wheel_venv: Path) -> None:
    code = "import ivr; print(ivr.__file__)"
    found = _run(str(wheel_venv / "bin" / "python"), "-c", code)
    assert Path(found.strip()).is_relative_to(wheel_venv)


def test_doctor_finds_prompts_of_wheel(wheel_installation: WheelInstallation, wheel_venv: Path) -> None:
    found = json.loads(wheel_installation.run_ivr("doctor", "--json", fails=1))
    findings = {finding["check"]: finding for finding in found}
    assert findings["sounds"] == {
        "check": "sounds", "level": "ok", "remedy": "",
        "what": f"{wheel_venv / 'share' / 'ivr' / 'sounds' / 'de'}, voice pico:de-DE",
        "command": "", "fill_in": [], "prevents_storing": False,
    }  # fmt: skip
    assert findings["service"]["level"] == "ok"
    assert "1 boxes" in findings["database"]["what"]
    problems = {finding["check"] for finding in found if finding["level"] == "problem"}
    assert problems <= {"asterisk", "data folder"}, "there is no Asterisk here, and folders of tests are anybody's"


def test_wheel_terminal_phone_makes_call(wheel_installation: WheelInstallation) -> None:
    heard = " ".join(wheel_installation.run_ivr("phone", "*97", "--fast").split())
    for words in ("You have one new message", "Message one", "Goodbye.", "the call is over (DONE)"):
        assert words in heard
    assert message_folder(wheel_installation) == "saved", "it was heard to its end"
    wheel_installation.run_ivr("phone", "*97", "--fast", given="27#")
    assert message_folder(wheel_installation) == "deleted"
    calls = json.loads(wheel_installation.run_ivr("calls", "list", "--account", "demo", "--json"))
    assert [(call["box"], call["status"]) for call in calls] == [("1000", "DONE")] * 2


def message_folder(site: WheelInstallation) -> str:
    [message] = json.loads(site.run_ivr("message", "list", "1000", "--json"))
    return str(message["folder"])


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
