"""docs/scale.md: each of its commands is run by a test, here or elsewhere; the samples for several nodes are valid."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import create_certificate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text()
SAMPLES = ROOT / "packaging" / "several-nodes"
COMMANDS = re.findall(r"^ {4,}([a-z].*)$", PAGE, re.MULTILINE)
RUN_BY = {
    "sudo -u postgres createuser": ("tests/support/postgresql_server.py", "CREATE USER ivr"),
    "sudo -u postgres createdb": ("tests/cli/test_move_store.py", "CREATE DATABASE moved OWNER ivr"),
    "curl -X PUT": ("tests/api/test_call_recordings.py", "/vm/"),
    "pg_dump": ("tests/cli/test_database_url.py", '"pg_dump"'),
    "pg_restore": ("tests/cli/test_database_url.py", '"pg_restore"'),
    "systemctl stop ivr.socket ivr": ("tests/site/systemctl_stand_in.sh", "stop"),
    "ivr move-store --to postgresql": ("tests/cli/test_move_store.py", '"move-store", "--to", address'),
    "ivr move-store --to sqlite": ("tests/cli/test_move_store.py", '"move-store", "--to", "sqlite"'),
    "ivr move-store --audio s3": ("tests/cli/test_move_audio.py", '"move-store", "--audio", STORE'),
    "mv /var/lib/ivr/state/ivr.db": (
        "tests/cli/test_move_store.py",
        'rename(database_file().with_name("ivr.db.before"))',
    ),
    "haproxy -c": ("tests/qa/test_scale_page.py", '"haproxy", "-c"'),
    "nginx -t": ("tests/qa/test_scale_page.py", '"nginx", "-t"'),
    "sed -e": ("tests/qa/test_scale_page.py", 'startswith("sed -e")'),
    "systemctl daemon-reload": ("tests/site/systemctl_stand_in.sh", "daemon-reload"),
    "systemctl enable --now": ("tests/site/systemctl_stand_in.sh", "enable"),
}
"""The beginning of each command: the file that runs it, and its words there."""


def test_each_command_of_the_page_is_run_by_a_test() -> None:
    typed = [line for line in COMMANDS if line.split()[0] in {beginning.split()[0] for beginning in RUN_BY}]
    assert len(typed) > 10
    assert [line for line in typed if not line.startswith(tuple(RUN_BY))] == []
    for beginning, (file, words) in RUN_BY.items():
        assert any(line.startswith(beginning) for line in typed), f"the page has no command {beginning} any more"
        assert words in (ROOT / file).read_text(), file


def test_instances_of_the_unit_have_settings_of_their_own(tmp_path: Path) -> None:
    unit = (ROOT / "systemd" / "ivr.service").read_text()
    for name, value in (
        ("IVR", "/bin/true"),
        ("SHARE", "/usr"),
        ("USER", "daemon"),
        ("GROUP", "daemon"),
        ("DATA", "/tmp"),
    ):
        unit = unit.replace(f"@{name}@", value)
    (tmp_path / "ivr.service").write_text(unit)
    (command,) = [line for line in COMMANDS if line.startswith("sed -e")]
    subprocess.run(command.replace("/etc/systemd/system", str(tmp_path)), shell=True, check=True)
    made = (tmp_path / "ivr@.service").read_text()
    assert "Environment=IVR_CONFIG=/etc/ivr/%i.toml\nReadWritePaths=-/var/lib/ivr-%i\n" in made
    assert "ivr.socket" not in re.sub(r"^#.*$", "", made, flags=re.MULTILINE)
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze: apt install systemd")
    (tmp_path / "ivr@.service").rename(tmp_path / "ivr@a.service")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "ivr@a.service")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert [line for line in checked.stderr.splitlines() if "ivr@a.service" in line] == []


def test_sample_of_haproxy_is_valid() -> None:
    if not shutil.which("haproxy"):
        pytest.skip("there is no haproxy: apt install haproxy")
    subprocess.run(["haproxy", "-c", "-f", str(SAMPLES / "haproxy.cfg")], check=True, capture_output=True)


def test_sample_of_nginx_is_valid(tmp_path: Path) -> None:
    if not shutil.which("nginx"):
        pytest.skip("there is no nginx: apt install nginx")
    certificate, key = create_certificate(tmp_path)
    sample = (SAMPLES / "nginx.conf").read_text()
    sample = sample.replace("/etc/ssl/voicemail.pem", str(certificate))
    sample = sample.replace("/etc/ssl/private/voicemail.key", str(key))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ {sample} }}")
    checked = subprocess.run(["nginx", "-t", "-c", str(whole)], check=False, capture_output=True, text=True)
    assert "syntax is ok" in checked.stderr, checked.stderr  # The folders of nginx itself may be missing.
