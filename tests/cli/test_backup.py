"""`ivr backup` and `ivr restore` with a running service, and the drill: backup under load, machine gone, restored."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from num2words import num2words
from typer.testing import CliRunner, Result

from ivr.audio import wav
from ivr.backup.writers import snapshot_names
from tests.conftest import TRIES_ALL
from tests.support.all_commands import command
from tests.support.service_site import IVR, TIMEOUT_S, Service, Site

UPLOAD_INTERVAL_S = 0.2
CALL_INTERVAL_S = 1.5  # each call is a process


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    wav.write(path, bytes(range(256)) * 63)
    return path


class Load:
    """Messages that keep coming, by upload and by telephone, until `stop`."""

    def __init__(self, service: Service, speech: Path) -> None:
        self.announced: list[str] = []
        """Ids of messages whose upload has been confirmed."""
        self.calls = 0
        self._service, self._speech = service, speech
        self._box = service.request("GET", "vmboxes")[0]["id"]
        self._stopped = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._repeat, args=args)
            for args in ((self._upload, UPLOAD_INTERVAL_S), (self._call, CALL_INTERVAL_S))
        ]
        for thread in self._threads:
            thread.start()

    def _repeat(self, step: Callable[[], None], interval_s: float) -> None:
        try:
            while not self._stopped.wait(interval_s):
                step()
        except BaseException as error:
            self._failures.append(error)

    def _upload(self) -> None:
        body = self._speech.read_bytes()
        message = self._service.request("PUT", f"vmboxes/{self._box}/messages", body, "audio/wav")
        self.announced.append(message["media_id"])

    def _call(self) -> None:
        self._service.site.ivr("phone", "1000", "--stranger", "--fast", "--say", str(self._speech))
        self.calls += 1

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert not self._failures, self._failures
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        assert not self._failures, self._failures


def messages_of(site: Site) -> list[str]:
    return [message["id"] for message in json.loads(site.ivr("message", "list", "1000", "--json").stdout)]


@pytest.mark.parametrize("kind", ["folder", "tar"] if TRIES_ALL else ["folder"])
def test_drill_backup_under_load_machine_gone_restored_elsewhere(
    site: Site, speech: Path, tmp_path: Path, kind: str
) -> None:
    backup = tmp_path / "backup"
    with site.service() as service:
        load = Load(service, speech)
        try:
            load.wait_for(lambda: len(load.announced) >= 5 and load.calls >= 1)
            announced = {*load.announced, *messages_of(site)}
            before = {message: site.recording(message) for message in announced}
            if kind == "folder":
                site.ivr("backup", str(backup))
            else:
                with backup.open("wb") as stream:
                    subprocess.run([*IVR, "backup", "-"], env=site.environment, stdout=stream, check=True)
            begun = len(load.announced)
            load.wait_for(lambda: len(load.announced) > begun)
        finally:
            load.stop()
        service.process.kill()
    shutil.rmtree(site.folder)
    site.ivr("backup", "verify", str(backup))

    restored = Site(tmp_path / "elsewhere" / "data")
    restored.ivr("restore", str(backup), "--no-config", *as_current_user())
    with restored.service() as service:
        listed = set(messages_of(restored))
        assert announced <= listed, "every message that was announced before the backup is there"
        assert {message: restored.recording(message) for message in announced} == before
        assert all(restored.recording(message) for message in listed), "every row has its audio"
        box = service.request("GET", "vmboxes")[0]["id"]
        message = sorted(announced)[0]
        assert service.request("GET", f"vmboxes/{box}/messages/{message}/raw") == before[message]
        heard = restored.ivr("phone", "*97", "--as", "alice", "--fast").stdout
        # One recording, or those of the hundreds, the tens and the ones; in American English, without "and".
        count = num2words(len(listed)).replace("-", " ").replace(" and ", " ")
        assert f"You have {count} new messages" in heard.replace("-", " ")
        restored.ivr("backup", str(tmp_path / "next"))


def as_current_user() -> Sequence[str]:
    return ["--user", "root"] if os.geteuid() == 0 else []


def test_restore_is_rejected_while_a_service_runs(site: Site, tmp_path: Path) -> None:
    with site.service():
        site.ivr("backup", str(tmp_path / "backup"))
        done = site.ivr("restore", str(tmp_path / "backup"), "--replace", "--no-config", *as_current_user(), fails=5)
        assert "the service runs on" in done.stderr
        elsewhere = ["--data", str(tmp_path / "elsewhere"), *as_current_user()]
        refused = site.ivr("restore", str(tmp_path / "backup"), *elsewhere, fails=5).stderr
        assert f"the restored settings in /etc would name {tmp_path / 'elsewhere'}: leave /etc alone" in refused
        assert not (tmp_path / "elsewhere").exists()
        assert site.ivr("box", "list").stdout, "nothing has changed"
        trial = site.ivr("restore", str(tmp_path / "backup"), "--no-config", *elsewhere)
        assert f"look at it: IVR_DATA__FOLDER={tmp_path / 'elsewhere'} ivr box list" in trial.stdout
        assert "systemctl" not in trial.stdout
    site.ivr("restore", str(tmp_path / "backup"), "--replace", "--no-config", *as_current_user())


def test_killed_backup_is_none_and_the_same_command_goes_on(site: Site, speech: Path, tmp_path: Path) -> None:
    for _ in range(3):
        site.ivr("message", "add", "1000", str(speech))
    backup = tmp_path / "backup"
    process = subprocess.Popen(
        [*IVR, "backup", str(backup)], env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not (backup / ".draft").exists() and process.poll() is None:
        assert time.monotonic() < deadline
    process.kill()
    process.wait()
    if not snapshot_names(backup):
        done = site.ivr("backup", "verify", str(backup), fails=5)
        assert "contains no complete backup" in done.stderr
    site.ivr("backup", str(backup))
    assert "ok, " in site.ivr("backup", "verify", str(backup)).stdout


def test_errors_are_one_line_that_says_what_to_do(site: Site, tmp_path: Path) -> None:
    def run(*words: str, fails: int = 0) -> Result:
        """Run a command in this process."""
        result = CliRunner().invoke(command, words, env=site.environment)
        assert result.exit_code == fails, result.output
        return result

    for words, code, text in (
        (("backup", str(site.folder / "b")), 2, "is in the data folder"),
        (("backup", str(site.folder)), 2, "is in the data folder"),
        (("backup", "verify", str(tmp_path / "none")), 3, "does not exist"),
        (("backup", "list", str(tmp_path / "none")), 3, "does not exist"),
        (("backup", "verify", __file__, "--snapshot", "x"), 2, "is one backup"),
        (("backup", "verify", __file__), 5, "no complete tar file"),
        (("backup", "verify", str(site.folder)), 5, "contains no complete backup"),
        (("restore", str(tmp_path / "none"), *as_current_user()), 3, "does not exist"),
    ):
        done = run(*words, fails=code)
        assert text in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    run("backup", str(tmp_path / "good"))
    done = run("restore", str(tmp_path / "good"), *as_current_user(), fails=4)
    assert "--replace" in done.stderr
    done = run("restore", str(tmp_path / "good"), "--snapshot", "2020", "--data", str(tmp_path / "n"),
                    *as_current_user(), fails=3)  # fmt: skip
    assert "see 'ivr backup list" in done.stderr
    assert not (tmp_path / "n").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives files away")
def test_root_restores_no_settings_that_others_can_change(site: Site, tmp_path: Path) -> None:
    """In /etc they would look like those of root, and name programs that root runs."""
    backups, archive, target = tmp_path / "backups", tmp_path / "backup.tar", tmp_path / "target"
    site.ivr("backup", str(backups))
    [snapshot] = backups.glob("*Z")
    planted = snapshot / "config/etc/ivr/ivr.toml"
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text('[asterisk]\nconsole_command = "/tmp/evil"\n')
    os.chown(planted, 12_345, -1)
    archive.write_bytes(b"")
    archive.chmod(0o666)
    for backup, changeable in ((backups, planted), (archive, archive)):
        words = ["restore", str(backup), "--root", str(tmp_path), "--data", str(target), *as_current_user()]
        done = CliRunner().invoke(command, words, env=site.environment)
        assert (done.exit_code, f"chown root {changeable}; chmod go-w {changeable}" in done.stderr) == (2, True), done
        assert "--no-config" in done.stderr
        assert not target.exists()


def test_reader_of_the_tar_stream_that_ends_is_an_error(site: Site, speech: Path) -> None:
    for _ in range(3):
        site.ivr("message", "add", "1000", str(speech))
    script = f"set -o pipefail; {' '.join(IVR)} backup - | head -c 1 > /dev/null"
    done = subprocess.run(
        ["bash", "-c", script], env=site.environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert done.returncode == 5, done.stderr
    assert done.stderr.splitlines() == [
        "ivr: the program that reads the backup has ended: the backup is not complete"
    ], done.stderr


def test_full_disk_names_the_folder_and_the_command(site: Site, speech: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a small disk")
    site.ivr("message", "add", "1000", str(speech))
    big = tmp_path / "big.wav"
    wav.write(big, b"\1\2" * 2_000_000)
    site.ivr("message", "add", "1000", str(big))
    small = tmp_path / "small"
    small.mkdir()
    command = " ".join([*IVR, "backup", str(small / "b")])
    script = f"""
        mount -t tmpfs -o size=2m small {small} && ! {command} && mount -o remount,size=64m {small} && {command} &&
        {" ".join([*IVR, "backup", "verify", str(small / "b")])}
    """
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], env=site.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no space is left in" in done.stderr
    assert f"then run 'ivr backup {small / 'b'}' again" in done.stderr
    assert "ok, " in done.stdout
