"""Where settings are read from, and where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ivr import settings
from ivr.errors import SettingsError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root refuses files of other users")


OPTIONAL_PATHS = [
    f"{section}.{name}"
    for section, field in settings.Settings.model_fields.items()
    for name, value in field.annotation.model_fields.items()  # type: ignore[union-attr]
    if value.annotation == Path | None
]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ivr.toml in a folder of its own, named by IVR_CONFIG."""
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    file = folder / "ivr.toml"
    file.write_text("[fastagi]\nport = 4000\n")
    file.chmod(0o640)
    monkeypatch.setenv("IVR_CONFIG", str(file))
    return file


def test_a_file_in_the_current_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ivr.toml").write_text("[fastagi]\nport = 4000\n")
    assert settings.load().fastagi.port == 4573


@pytest.mark.parametrize("name", OPTIONAL_PATHS)
def test_an_empty_path_is_none(name: str, config: Path) -> None:
    """Not the folder in which the service was started: it is no certificate, and the service would not start."""
    section, key = name.split(".")
    config.write_text(f'[{section}]\n{key} = ""\n')
    assert getattr(getattr(settings.load(), section), key) is None


@pytest.mark.parametrize(
    ("section", "assignment", "advice"),
    [
        ("pins", 'pepper_file = "relative"', "such as `/media/key/ivr-pepper`"),
        ("api", 'origins = ["portal.example.com"]', "as https://portal.example.com, without a path"),
        ("api", 'origins = ["https://portal.example.com/app"]', "without a path"),
        ("log", 'level = "loud"', "debug, info, warning or error"),
        ("ari", 'application = "a b"', "at most 64 letters, digits"),
        ("voicemail", 'country_code = "DE"', "write its digits, as in 49"),
        ("voicemail", 'distribution_lists.x = ["1001"]', "distribution_lists.x = 'x': 'x' cannot be entered"),
    ],
)
def test_value_of_the_wrong_form_is_refused_with_how_to_write_it(
    config: Path, section: str, assignment: str, advice: str
) -> None:
    config.write_text(f"[{section}]\n{assignment}\n")
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert f"  {section}.{assignment.split()[0]}" in str(refused.value)
    assert advice in str(refused.value)
    assert "pattern" not in str(refused.value), "a regular expression tells an administrator little"


def test_the_file_that_ivr_config_names_is_read(config: Path) -> None:
    assert settings.load().fastagi.port == 4000


@as_root
@pytest.mark.parametrize("mode", [0o660, 0o646])
def test_root_refuses_a_file_that_others_may_write(config: Path, mode: int) -> None:
    config.chmod(mode)
    with pytest.raises(SettingsError, match=r"ivr.toml can be changed by other users than root.*chmod go-w"):
        settings.load()


@as_root
def test_root_refuses_a_file_of_another_user(config: Path) -> None:
    os.chown(config, 61002, -1)
    with pytest.raises(SettingsError, match="chown root"):
        settings.load()


@as_root
def test_root_refuses_a_file_below_a_folder_that_others_may_write(config: Path) -> None:
    """They can put another folder in its place; in a folder like /tmp they cannot."""
    config.parent.parent.chmod(0o1777)
    assert settings.load().fastagi.port == 4000
    config.parent.parent.chmod(0o777)
    with pytest.raises(SettingsError, match="can be changed by other users"):
        settings.load()


@as_root
def test_root_refuses_a_link_to_a_file_that_others_can_replace(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "of-alice"
    folder.mkdir()
    config.rename(folder / "real.toml")
    config.symlink_to(folder / "link.toml")
    (folder / "link.toml").symlink_to("real.toml")
    assert settings.load().fastagi.port == 4000
    os.chown(folder, 61002, -1)
    with pytest.raises(SettingsError, match="of-alice can be changed by other users"):
        settings.load()


@as_root
def test_root_refuses_a_file_in_a_folder_that_others_may_write(config: Path) -> None:
    config.parent.chmod(0o777)
    with pytest.raises(SettingsError, match="etc can be changed by other users"):
        settings.load()


def test_an_origin_is_what_browsers_send(config: Path) -> None:
    config.write_text('[api]\norigins = ["https://Portal.Example.com:443", "http://a.example:8080", "*"]\n')
    assert settings.load().api.origins == ["https://portal.example.com", "http://a.example:8080", "*"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('[media]\nedges = ["127.0.0.1"]\nedge_token = "s3cr3t-98765"', "media: edges need an edge_token"),
        ("[ami]\nsecret = 98765", "ami.secret: Input should be a valid string"),
        ('[database]\nurl = "mysql://ivr:98765@db/ivr"', "database.url: "),
    ],
)
def test_error_does_not_print_a_secret(config: Path, lines: str, words: str) -> None:
    config.write_text(lines)
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert words in str(refused.value)
    assert "98765" not in str(refused.value)
