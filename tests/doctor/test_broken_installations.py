"""`ivr doctor` on broken installations: each is named in plain words, and gone after the remedy that was printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.doctor.broken_site import IS_ROOT, BrokenSite, FakeService, isolate, silence_log
from tests.doctor.cases import CASES
from tests.doctor.cases.service import socket_on_former_port
from tests.support.all_commands import command

TROUBLESHOOTING = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


@cache
def documented_rows() -> dict[str, str]:
    """The rows of the table in docs/troubleshooting.md, by what is wrong."""
    text = TROUBLESHOOTING.read_text().split("## What `ivr doctor` says")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows[1:]}


@pytest.fixture(scope="module")
def service() -> Iterator[FakeService]:
    service = FakeService()
    yield service
    service.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an account, a user with a phone, and a mailbox."""
    folder = tmp_path_factory.mktemp("template") / "data"
    with pytest.MonkeyPatch.context() as patch:
        silence_log(patch)
        for name, value in {"DATA__FOLDER": str(folder), "PINS__BCRYPT_COST": "4", "DATA__FSYNC": "false"}.items():
            patch.setenv(f"IVR_{name}", value)
        for words in (
            "account create demo --timezone Europe/Berlin",
            "user create alice",
            "endpoint add alice-desk alice",
            "box create 1000 --owner alice --pin 4716 is_setup=true",
        ):
            result = CliRunner().invoke(command, words.split())
            assert result.exit_code == 0, result.output
    (folder / "state" / "asterisk-secret").write_text("c0ffee" * 10)
    (folder / "state" / "asterisk-secret").chmod(0o600)
    return folder


@pytest.fixture
def site(template: Path, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokenSite]:
    """A healthy site. Its folder lies where the user of the service can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="ivr site ", dir="/var/tmp"))
    folder.chmod(0o755)
    site = BrokenSite(folder, template, service)
    isolate(monkeypatch, site)
    with site.stack:
        yield site
    shutil.rmtree(folder)


def test_healthy_site_has_no_finding(site: BrokenSite) -> None:
    assert [one for one in site.findings() if IS_ROOT or "belongs to root" not in one["what"]] == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("name", CASES)
def test_broken_installation_is_named_and_healthy_after_the_printed_remedy(name: str, site: BrokenSite) -> None:
    case = CASES[name]
    if case.as_root and not IS_ROOT:
        pytest.skip("only root can give files to another user")
    case.damage(site)
    before = site.state()
    found = [one for one in site.findings() if one["check"] == case.check and case.what in one["what"]]
    assert found, f"not named; said: {site.findings()}"
    assert found[0]["remedy"]
    assert site.state() == before, "the doctor changes nothing"
    assert documented_rows().get(name) == site.documented(found[0], case.what)
    assert found[0]["command"], f"no command: {found[0]}"
    assert {*found[0]["fill_in"]} == {*case.fill_in}
    command = found[0]["command"]
    for word, value in case.fill_in.items():
        assert re.search(rf"\b{word}\b", found[0]["remedy"]), "what the word means"
        filled_in = shlex.quote(str(value(site) if callable(value) else value))
        command = re.sub(rf"\b{word}\b", filled_in, command)
    (site.folder / "typed").write_text(case.typed)
    site.run_as_printed(command)
    assert site.findings() == []


def test_data_folder_of_another_user_is_one_finding(site: BrokenSite) -> None:
    """Who owns the folder is no user of the service, and so need not read the settings."""
    if not IS_ROOT:
        pytest.skip("only root can give files to another user")
    site.config.chmod(0o640)
    os.chown(site.config, 0, 0)
    CASES["data folder of another user than the unit's"].damage(site)
    assert [one["check"] for one in site.findings() if one["check"] in ("config", "unit")] == ["unit"]


def test_socket_of_a_package_gets_a_drop_in(site: BrokenSite) -> None:
    socket_on_former_port("/usr/lib/systemd/system/ivr.socket")(site)
    [finding] = site.findings()
    folder = site.folder / "ivr.socket.d"
    site.run_as_printed(finding["command"].replace("/etc/systemd/system/ivr.socket.d", shlex.quote(str(folder))))
    lines = (folder / "ports.conf").read_text().splitlines()
    ports = [f"ListenStream=127.0.0.1:{site.sections[name]['port']}" for name in ("fastagi", "api")]
    assert lines == ["[Socket]", "ListenStream=", *ports], "an empty one ends the list of the package"
    assert site.findings() == []


def test_command_stands_below_the_sentence_that_it_follows(site: BrokenSite) -> None:
    CASES["modules missing"].damage(site)
    lines = site.printed().splitlines()
    [number] = [number for number, line in enumerate(lines) if line.startswith("problem")]
    assert "load them in modules.conf" in lines[number]
    assert lines[number + 1].strip().startswith("# asterisk -rx 'module load res_speech.so'; asterisk -rx 'module load")


def test_troubleshooting_page_lists_exactly_what_is_tried_here() -> None:
    assert documented_rows().keys() == CASES.keys()
    assert len(CASES) >= 50
