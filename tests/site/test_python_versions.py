"""A fresh installation with each version of Python that setup.cfg names, and a call of the demo with it.

The interpreter is one of this computer or of Debian 14. A version that neither has is skipped, which says so.
"""

from __future__ import annotations

import configparser
import glob
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.site.conftest import needs_a_site
from tests.site.machine import CHECKOUT, SiteMachine
from tests.support.pseudo_terminal import PseudoTerminal

NOT_COPIED = (".venv", ".asterisk", ".git", "demo-data", "build", "*.egg-info")
INSTALL_TIMEOUT_S = 300.0


def supported_versions() -> list[str]:
    """The versions of Python that the package says it runs with."""
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg")
    return re.findall(r"Python :: (3\.\d+)$", parser["metadata"]["classifiers"], re.MULTILINE)


def find_interpreter(version: str) -> str | None:
    """Return an interpreter of this computer with this version that can make a virtual environment."""
    root = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    candidates = [shutil.which(f"python{version}"), *sorted(glob.glob(f"{root}/versions/{version}.*/bin/python3"))]
    for candidate in candidates:
        command = [candidate or "false", "-c", "import ensurepip, venv"]
        if candidate and not subprocess.run(command, capture_output=True, check=False).returncode:
            return candidate
    return None


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def install_here(interpreter: str, folder: Path) -> list[str]:
    """Install into a new virtual environment of this computer. Return its command."""
    shutil.copytree(CHECKOUT, folder / "checkout", symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for command in (
        [interpreter, "-m", "venv", str(folder / "venv")],
        [str(folder / "venv/bin/pip"), "--disable-pip-version-check", "install", "-q", str(folder / "checkout")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S)
        assert done.returncode == 0, done.stdout + done.stderr
    return [str(folder / "venv/bin")]


def install_on_debian(version: str, stack: ExitStack) -> list[str]:
    """Install on a machine with Debian 14 as docs/install.md says. Return the words in front of its command."""
    machine = stack.enter_context(SiteMachine({}, ("python3-venv",)))
    debians = machine.run("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").strip()
    if debians != version:
        pytest.skip(f"no python{version} with venv in PATH or of pyenv, and Debian 14 has {debians}")
    machine.run("python3 -m venv /opt/ivr && /opt/ivr/bin/pip install -q .", network=True, folder="/usr/src/ivr")
    return [*machine.enter(), "/opt/ivr/bin"]


@needs_a_site
@pytest.mark.parametrize("version", supported_versions())
def test_fresh_installation_takes_a_call(
    version: str, tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    interpreter = find_interpreter(version)
    *enter, programs = install_here(interpreter, tmp_path) if interpreter else install_on_debian(version, stack)
    folder = f"/var/tmp/demo-of-{version}-{os.getpid()}"
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    used = subprocess.run([*enter, f"{programs}/python", "-VV"], capture_output=True, text=True, check=True).stdout
    assert f"Python {version}." in used
    with PseudoTerminal([*enter, f"{programs}/ivr", "demo", "--fast", "--folder", folder], {}) as terminal:
        terminal.wait_for("You have three new messages and one saved message")
        terminal.wait_for("To delete, press seven")
        terminal.type("7")
        terminal.wait_for("Deleted")
        terminal.type("h")
        terminal.wait_for(r"Dial again, as a stranger\?")
        terminal.type("n\r")
        assert terminal.wait_for_exit() == 0
    with capsys.disabled():
        print(
            f"\ninstalled and called: {used.splitlines()[0]}, {'of this computer' if interpreter else 'of Debian 14'}"
        )


def test_package_names_each_version_since_its_first() -> None:
    versions = supported_versions()
    minors = [int(version.split(".")[1]) for version in versions]
    assert minors == list(range(11, 15))
    assert "python_requires = >=3.11\n" in (CHECKOUT / "setup.cfg").read_text()
