"""Commands that correct ivr.toml: only where the file is right afterwards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ivr import settings
from ivr.doctor.asterisk import INCLUDE_DIALPLAN
from ivr.doctor.settings_file import comment_command, section_edit, set_in_section_command, unset_command
from ivr.errors import SettingsError
from ivr.imports.config_file import read_config


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


ARI_CONF = [
    "",
    "[ivr]\ntype = user\n",
    "[general]\nenabled = no\n[ivr]\ntype = user\n",
    "  [General] ; of the site\n\tEnabled=>no\npretty = yes\n[ivr]\ntype = user\n",
    "[general]\npretty = yes\n[general]\nenabled = no\nwebsocket_write_timeout = 5000\n[ivr]\ntype = user\n",
    "[general]\npretty = yes\n[ivr]\ntype = user\n[general](+)\nenabled = no\n",
    "[General]\npretty = yes\n[general]\nenabled = no\n",
    "[base](!)\nenabled = no\n[general](base) ; templates\npretty = yes\n\n[ivr]\nenabled = no\n",
    "[general]\nenabled = no\n[ivr]\n[general]\nenabled = no\n[GENERAL]\nenabled = no\npretty = yes",
]


@pytest.mark.parametrize("text", ARI_CONF)
def test_variable_of_asterisk_is_set_however_its_sections_are_written(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a folder" / "ari.conf"
    file.parent.mkdir()
    file.write_text(text)
    command = set_in_section_command(str(file), "general", "enabled", "yes", merges=True)
    for _ in range(2):  # Who follows a remedy twice breaks nothing.
        subprocess.run(["sh", "-ec", command], check=True)
        config = read_config(file)
        [general] = [section for section in config.sections if section.name.lower() == "general"]
        assert [line.value for line in general.lines if line.name == "enabled"][-1] == "yes"
        assert ("pretty" in text) == (general.get("pretty") == "yes")
        assert not config.warnings
        assert ("type = user" in text) == (config.section("ivr").get("type") == "user")
        if "[ivr]\nenabled" in text:
            assert config.section("ivr").get("enabled") == "no"


def test_variable_of_every_section_of_a_manager_account_is_set(tmp_path: Path) -> None:
    file = tmp_path / "manager.conf"
    file.write_text(
        "[general]\nwrite = all\n[i.r]\nsecret = x\n[ivr]\nwrite = all\n[i.r] ; a\n write => call\nread=all\n"
    )
    subprocess.run(["sed", "-i", section_edit("i.r", "write", "originate,call", in_all=True), file], check=True)
    written = {
        (number, section.name): [line.value for line in section.lines if line.name == "write"]
        for number, section in enumerate(read_config(file).sections)
    }
    assert written == {
        (0, "general"): ["all"], (1, "i.r"): ["originate,call"], (2, "ivr"): ["all"], (3, "i.r"): ["originate,call"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "includes"),
    [
        ("", 1),
        ("[general]\n[globals]\nA => 1\n[default]\n[globals]\nB => 2\n", 1),
        (" [Globals] ; of the site\nA => 1\n[default]\n", 1),
        ("[globals]\n#include ivr/extensions.conf\n", 1),
        ('[globals]\n  #tryinclude "/etc/asterisk/ivr/extensions.conf"\n', 1),
        ('[globals]\n;#include "ivr/extensions.conf"\n', 2),
    ],
)
def test_dialplan_is_included_once_in_the_section_that_asterisk_reads(tmp_path: Path, text: str, includes: int) -> None:
    file = tmp_path / "extensions.conf"
    file.write_text(text)
    command = INCLUDE_DIALPLAN.replace("/etc/asterisk/extensions.conf", str(file)).partition("; asterisk")[0]
    for _ in range(2):
        subprocess.run(["sh", "-ec", command], check=True)
        assert file.read_text().count("ivr/extensions.conf") == includes
    section = file.read_text().lower().split("[globals]")[1].split("\n[")[0]
    assert "ivr/extensions.conf" in section
