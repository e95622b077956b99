"""Commands that correct ivr.toml: only where the file is right afterwards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ivr import settings
from ivr.doctor.settings_file import comment_command, unset_command
from ivr.errors import SettingsError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "ivr.toml"
    monkeypatch.setenv("IVR_CONFIG", str(path))
    return path


def command_for(file: Path, text: str) -> str:
    """Return the command for what is wrong in this file."""
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        settings.load()
    return comment_command(raised.value, file)


def test_all_wrong_lines_become_comments_and_no_other(file: Path) -> None:
    text = (
        "[fastagi]\nport = 'x' # y\n[weather]\n  city = 'x'\n\n# of it\nwind = 3\n[data]\nfsync = 'x'\nfolder = '/d'\n"
    )
    command = command_for(file, text)
    subprocess.run(["sh", "-ec", command.partition(" && ")[0]], check=True)
    assert file.read_text() == (
        "[fastagi]\n# port = 'x' # y\n# [weather]\n#   city = 'x'\n\n# of it\n# wind = 3\n"
        "[data]\n# fsync = 'x'\nfolder = '/d'\n"
    )
    assert settings.load().data.folder == Path("/d")


@pytest.mark.parametrize(
    "text",
    [
        "[notifications]\nwebhook_networks = [\n 'x',\n]\n",
        "[api]\ntls_certificate = '/c'\ntls_key = ['x',\n'y']\n",
        "[fastagi]\nport = \n[data\n",
        "[log]\nlevel = 'x'\n[fastagi]\nport = 1\nport = 2\n[data\n",
    ],
    ids=["a list over several lines", "another one", "two lines that are no TOML", "a key twice, and more"],
)
def test_what_no_comment_corrects_has_no_command(file: Path, text: str) -> None:
    assert command_for(file, text) == ""


def test_setting_that_the_file_does_not_have_is_not_unset(file: Path) -> None:
    file.write_text("[mail]\nhost = 'x'\n[sounds]\n# folder = '/x'\n")
    assert unset_command(file, "sounds", "folder") == ""
    assert unset_command(None, "sounds", "folder") == ""
    assert unset_command(file, "mail", "host").startswith("sed -i ")
