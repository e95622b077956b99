"""Invalid settings: one error that names the setting, and no traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ivr.settings import Settings, load
from tests.cli.conftest import Ivr


def typed_settings() -> list[tuple[str, str]]:
    """Return every setting that is neither free text nor a path."""
    found = []
    for section, model in Settings.model_fields.items():
        assert isinstance(model.annotation, type)
        assert issubclass(model.annotation, BaseModel)
        found += [(section, name) for name, field in model.annotation.model_fields.items() if not _is_free_text(field)]
    return found


def _is_free_text(field: FieldInfo) -> bool:
    if field.annotation == Path | None:
        return True  # Every text is a path; `OptionalPath` rejects none.
    constrained = bool(field.metadata)
    return not constrained and field.annotation in (str, Path, str | None)


@pytest.mark.parametrize(("section", "name"), typed_settings())
def test_value_of_wrong_type_is_an_error(
    ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, section: str, name: str
) -> None:
    monkeypatch.delenv(f"IVR_{section}__{name}".upper(), raising=False)
    (tmp_path / "ivr.toml").write_text(f'[{section}]\n{name} = "nonsense with spaces!"\n')
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    error = ivr("account", "list", fails=1).stderr
    if (section, name) == ("database", "url"):  # It may hold a password.
        assert "database.url: not of the right form" in error
        assert "nonsense" not in error
    else:
        in_whole, one_of_list = f"{section}.{name} = 'nonsense with spaces!'", f"{section}.{name}.2 = 'spaces!'"
        assert in_whole in error or one_of_list in error
    assert "ivr.toml" in error
    assert "problem" in ivr("doctor", fails=1).stdout


@pytest.mark.parametrize(
    ("toml", "error"),
    [
        ("[pins]\nbcrypt_cost = 40\n", "pins.bcrypt_cost = 40"),
        ("[fastagi]\nmax_calls = 0\n", "fastagi.max_calls = 0"),
        ("[log]\nlevel = 'loud'\n", "log.level = 'loud'"),
        ("[voicemail]\nmax_pin_length = 3\n", "voicemail.max_pin_length = 3"),
        ("[voicemail]\nkey_map = 'querty'\n", "voicemail.key_map = 'querty'"),
        ("[voicemail]\nkeys = {delete = 7, keep = 7}\n", "voicemail.keys"),
        ("colour = 1\n", "colour: unknown setting; docs/settings.md lists all settings"),
        ("[data]\nfoldr = '/x'\n", "data.foldr: unknown setting; did you mean data.folder?"),
        ("[voicemial]\n", "voicemial: unknown setting; did you mean voicemail?"),
        ("[voicemail.keys]\nquit = 7\n", "quit"),
        ("[data]\nfolder = 3\n", "data.folder = 3"),
        ("fastagi = 'no table'\n", "fastagi = 'no table'"),
        ("[data]\nfolder = '/x'\n[data]\n", "is not valid TOML"),
        ("\x00", "is not valid TOML"),
    ],
)
def test_value_out_of_range_is_an_error(
    ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toml: str, error: str
) -> None:
    for name in ("IVR_PINS__BCRYPT_COST", "IVR_DATA__FOLDER"):
        monkeypatch.delenv(name)
    (tmp_path / "ivr.toml").write_text(toml)
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    assert error in ivr("account", "list", fails=1).stderr


def test_variable_of_an_unknown_section_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was ignored: mail went nowhere, and nothing said so."""
    monkeypatch.setenv("IVR_MIAL__HOST", "mail.example.com")
    error = ivr("account", "list", fails=1).stderr
    assert "IVR_MIAL__HOST: unknown section mial; did you mean mail?" in error
    monkeypatch.delenv("IVR_MIAL__HOST")
    monkeypatch.setenv("IVR_MAIL__HSOT", "mail.example.com")
    assert "mail.hsot: unknown setting; did you mean mail.host?" in ivr("account", "list", fails=1).stderr


def test_binary_settings_file_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ivr.toml").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    assert "ivr.toml" in ivr("account", "list", fails=1).stderr


def test_missing_settings_file_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_CONFIG", "/no/such.toml")
    assert "/no/such.toml does not exist" in ivr("account", "list", fails=1).stderr


def test_port_in_use_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("IVR_FASTAGI__PORT", str(port))
        error = ivr("serve", fails=1).stderr
    assert "address already in use" in error
    assert f"127.0.0.1:{port}" in error
    assert "[fastagi]" in error


def test_unavailable_address_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_FASTAGI__HOST", "203.0.113.7")
    error = ivr("serve", fails=1).stderr
    assert "203.0.113.7" in error
    assert "[fastagi]" in error


def test_missing_sounds_folder_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IVR_SOUNDS__FOLDER", str(tmp_path / "silent"))
    assert "there are no prompts" in ivr("serve", fails=1).stderr


def test_sounds_folder_without_catalogue_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "silent").mkdir()
    monkeypatch.setenv("IVR_SOUNDS__FOLDER", str(tmp_path / "silent"))
    assert "catalogue.toml" in ivr("serve", fails=1).stderr


def test_list_in_a_variable_is_split_and_a_wrong_item_is_an_error(ivr: Ivr, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that was not JSON ended each command in a traceback."""
    monkeypatch.setenv("IVR_NOTIFICATIONS__WEBHOOK_NETWORKS", "10.0.0.0/8, 192.0.2.7")
    monkeypatch.setenv("IVR_NOTIFICATIONS__RETRY_DELAYS_S", "60")
    monkeypatch.setenv("IVR_VOICEMAIL__CALLBACK_FORMS", "plus national")
    loaded = load()
    assert [str(network) for network in loaded.notifications.webhook_networks] == ["10.0.0.0/8", "192.0.2.7/32"]
    assert (loaded.notifications.retry_delays_s, loaded.voicemail.callback_forms) == ([60], ["plus", "national"])
    monkeypatch.setenv("IVR_VOICEMAIL__CALLBACK_FORMS", "plus, minus")
    assert "voicemail.callback_forms.1 = 'minus'" in ivr("account", "list", fails=1).stderr
    monkeypatch.setenv("IVR_VOICEMAIL__KEYS", "7")
    assert "voicemail.keys = " in ivr("account", "list", fails=1).stderr


@pytest.mark.parametrize(
    "keys", ['{main_menu = "5"}', '{compose = "55"}', '{keep = "3"}'], ids=["action", "key", "twice"]
)
def test_key_that_no_menu_has_is_an_error_of_the_settings(
    ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: str
) -> None:
    (tmp_path / "ivr.toml").write_text(f"[voicemail]\nkeys = {keys}\n")
    monkeypatch.setenv("IVR_CONFIG", str(tmp_path / "ivr.toml"))
    assert "voicemail" in (error := ivr("account", "list", fails=1).stderr)
    assert "keys." in error


@pytest.mark.parametrize("change", ["main_menu=5", "compose=55", "keep=3", 'main={"compose":"5"}'])
def test_key_that_no_menu_has_is_refused_for_an_account(populated_ivr: Ivr, tmp_path: Path, change: str) -> None:
    """By command and people file. A stored one made each change of a mailbox fail."""
    error = populated_ivr("account", "set", "demo", f"settings.keys.{change}", fails=2).stderr
    assert error.startswith("ivr: keys.")
    action, _, key = change.partition("=")
    people = tmp_path / "people.yaml"
    people.write_text(f"accounts:\n- name: demo\n  settings:\n    keys: {{{action}: '{key}'}}\n")
    assert "keys." in populated_ivr("apply", str(people), fails=2).output
    populated_ivr("box", "set", "1000", "name=Alice")
