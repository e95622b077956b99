"""What packages are made of: the lock file, the manual pages, the completion, the settings of the Debian package."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ivr.install.plan import Layout, install_steps
from ivr.install.write_file import WriteFile

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"


@pytest.fixture(scope="module")
def manual() -> ModuleType:
    spec = importlib.util.spec_from_file_location("manual", PACKAGING / "manual.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lock_file_satisfies_the_requirements_with_hashes() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = [Requirement(line) for line in config["options"]["install_requires"].strip().splitlines()]
    blocks = re.split(r"\n(?=\w)", (PACKAGING / "requirements.lock").read_text())
    pinned = [(Requirement(block.split(" \\\n")[0]), block) for block in blocks if not block.startswith("#")]
    versions = {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin, _ in pinned}
    wrong = [
        str(line)
        for line in required
        if (version := versions.get(canonicalize_name(line.name))) is None or version not in line.specifier
    ]
    assert wrong == [], "run: make lock"
    assert [pin.name for pin, block in pinned if "--hash=sha256:" not in block] == []


def test_manual_page_has_every_command_with_its_options(manual: ModuleType) -> None:
    commands = manual.command_tree()
    page = manual.manual_page(commands).replace("\\-", "-")
    for words, command in commands.items():
        if getattr(command, "commands", None):
            continue
        section = page.split(f'.SS "{" ".join(["ivr", *words])}', 1)[1].split(".SS", 1)[0]
        missing = [opt for param in command.params for opt in param.opts if opt.startswith("-") and opt not in section]
        assert missing == [], words


@pytest.mark.skipif(not shutil.which("man"), reason="needs man (apt install man-db)")
def test_manual_pages_are_formatted_without_a_warning(manual: ModuleType, tmp_path: Path) -> None:
    manual.main(tmp_path)
    for page in ("ivr.1", "ivr-agi.1"):
        command = ["man", "-l", "--warnings", "-E", "UTF-8", "-Tutf8", str(tmp_path / page)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"})
        assert done.stderr == ""


@pytest.mark.parametrize(
    ("typed", "offered"), [("bo", "box"), ("box pi", "pin"), ("-a x box cre", "create"), ("doctor --js", "--json")]
)
def test_bash_completes_commands_and_options(manual: ModuleType, tmp_path: Path, typed: str, offered: str) -> None:
    manual.main(tmp_path)
    words = typed.split()
    script = f'. {tmp_path}/ivr; COMP_WORDS=(ivr {typed}); COMP_CWORD={len(words)}; _ivr; echo "${{COMPREPLY[*]}}"'
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [offered]


def test_settings_of_the_debian_package_are_those_of_ivr_install() -> None:
    """So that an installation by a package and by `ivr install` are alike."""
    layout = Layout(executable=Path(sys.executable), package_data=ROOT)
    steps = {
        step.path.name: step
        for step in install_steps(layout, "secret", ami_secret="secret")
        if isinstance(step, WriteFile)
    }
    packaged = (PACKAGING / "ivr.toml").read_text()
    assert tomllib.loads(packaged) == tomllib.loads(steps["ivr.toml"].content)
