"""`ivr import app-voicemail --follow`, a spool that changes while it is read, and a disk that is full."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ivr.audio import wav
from tests.cli.conftest import Ivr, ivr, parse_json
from tests.imports.spool_maker import MadeMessage, SpoolMaker
from tests.lab.sip_phone.speech import speech
from tests.support.all_commands import command

__all__ = ["ivr"]


@pytest.fixture
def maker(tmp_path: Path) -> SpoolMaker:
    maker = SpoolMaker(tmp_path / "pbx")
    maker.write_conf("[default]\n2001 => 4716,Rosa Klein\n2002 => 58391,Sven\n")
    maker.spool.mkdir(parents=True)
    return maker


@pytest.fixture
def demo(ivr: Ivr) -> Ivr:
    ivr("account", "create", "demo")
    return ivr


def words(maker: SpoolMaker, *more: str) -> tuple[str, ...]:
    return ("import", "app-voicemail", "--conf", str(maker.conf), "--spool", str(maker.spool), *more)


def folders(tmp_path: Path) -> dict[int, str]:
    """The folder of each message here, by its time."""
    with sqlite3.connect(tmp_path / "data" / "state" / "ivr.db") as database:
        rows = database.execute("SELECT time, folder FROM messages WHERE deleted_at IS NULL").fetchall()
    return dict(rows)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def following(maker: SpoolMaker) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-m", "ivr", *words(maker, "--follow", "--interval", "0.1", "--json")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def move(message: MadeMessage, folder: str, number: int) -> None:
    """As app_voicemail does when an owner has heard a message."""
    target = message.stem.parents[1] / folder
    target.mkdir(exist_ok=True)
    for path in sorted(message.stem.parent.glob(f"{message.stem.name}.*"), reverse=True):  # The .txt file last.
        path.rename(target / f"msg{number:04d}{path.suffix}")
    message.stem = target / f"msg{number:04d}"


def remove(message: MadeMessage) -> None:
    for path in message.stem.parent.glob(f"{message.stem.name}.*"):
        path.unlink()


def test_changes_of_the_spool_are_carried_over_until_a_message_is_used_here(
    demo: Ivr, maker: SpoolMaker, tmp_path: Path
) -> None:
    heard, deleted, used = (maker.message(voice=voice) for voice in range(3))
    with following(maker) as process:
        wait_for(lambda: len(folders(tmp_path)) == 3)
        (here,) = (
            message["id"]
            for message in parse_json(demo("message", "list", "2001", "--json"))
            if message["timestamp"] - 62_167_219_200 == used.time
        )
        demo("message", "move", "2001", here, "saved")
        late = maker.message(box="2002@default")
        move(heard, "Old", 0)
        remove(deleted)
        remove(used)
        expected = {heard.time: "saved", deleted.time: "deleted", used.time: "saved", late.time: "new"}
        wait_for(lambda: folders(tmp_path) == expected)
        move(heard, "INBOX", 7)  # Its owner keeps it as new.
        wait_for(lambda: folders(tmp_path) == expected | {heard.time: "new"})
        # Without its folder, a mailbox has not been emptied by its owner.
        (maker.spool / "default" / "2001").rename(tmp_path / "elsewhere")
        move(late, "Old", 0)
        wait_for(lambda: folders(tmp_path)[late.time] == "saved")
        assert folders(tmp_path) == expected | {heard.time: "new", late.time: "saved"}
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 3), errors
    assert json.loads(output)["boxes"][0]["imported"] == 3
    assert {f"2001@default: {words}" for words in ("1 moved", "1 deleted")} <= {
        line[26:] for line in errors.splitlines()
    }
    assert "2002@default: 1 imported" in errors
    assert [run["state"] for run in parse_json(demo("import", "status", "--json"))] == ["done"]


def test_follow_survives_what_can_be_mended(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    maker.message()
    with following(maker) as process:
        wait_for(lambda: len(folders(tmp_path)) == 1)
        conf = maker.conf.read_text()
        maker.conf.unlink()
        assert process.stderr
        for line in process.stderr:
            if "voicemail.conf does not exist" in line:
                break
        assert "the command tries it again" in line
        maker.write_conf(conf + "2003 => 47161,Later\n")
        maker.message(box="2003@default")
        wait_for(lambda: len(folders(tmp_path)) == 2)
    assert parse_json(demo("box", "show", "2003", "--json"))["name"] == "Later"


def test_each_message_of_a_spool_that_changes_is_imported_once(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    messages = [maker.message(voice=voice) for voice in range(30)]
    stopped = threading.Event()

    def hear_one_after_another() -> None:
        """Moves the first message, and numbers the others anew: what app_voicemail does at the end of a call."""
        for number in range(20):
            if stopped.wait(0.03):
                break
            move(messages[number], "Old", number)
            for position, message in enumerate(messages[number + 1 :]):
                move(message, "INBOX", position)

    owner = threading.Thread(target=hear_one_after_another)
    owner.start()
    while owner.is_alive():
        assert run_import(maker) in (0, 3, 4)
    owner.join()
    assert run_import(maker) in (0, 3)
    assert "all 2 boxes are equal" in demo("import", "verify").stdout
    found = parse_json(demo("message", "list", "2001", "--json"))
    assert len(found) == 30
    voice_by_time = {message.time: message.voice for message in messages}
    for message in found:
        (path,) = (tmp_path / "data").glob(f"*/vm/{message['id']}.wav")
        assert wav.read_samples(path) == speech(voice_by_time[message["timestamp"] - 62_167_219_200], 1500).tobytes()


def run_import(maker: SpoolMaker) -> int:
    return CliRunner().invoke(command, words(maker)).exit_code


def test_import_and_export_go_on_after_a_full_disk(demo: Ivr, maker: SpoolMaker, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a small disk")
    for voice in range(4):
        maker.message(ms=60_000, voice=voice)
    small, back = tmp_path / "small", tmp_path / "back"
    for folder in (small, back):
        folder.mkdir()
    ivr_command = f"{sys.executable} -m ivr"
    run = f"{ivr_command} {' '.join(words(maker))} > /dev/null"
    export = f"{ivr_command} export app-voicemail --conf {maker.conf} --spool {back} > /dev/null"
    script = f"""
        mount -t tmpfs -o size=3m small {small}; {ivr_command} account create demo > /dev/null
        {run}; echo $?; mount -o remount,size=64m {small}; {run}; echo $?; {ivr_command} import verify; echo $?
        mount -t tmpfs -o size=3m back {back}; {export}; echo $?; ls {back}/default/2001/INBOX | wc -l
        mount -o remount,size=64m {back}; {export}; echo $?
        ls {back}/default/2001/INBOX {back}/default/2001/tmp | grep -c msg
    """
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        env={**os.environ, "IVR_DATA__FOLDER": str(small / "data"), "IVR_DATA__FSYNC": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    codes = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert codes == ["5", "0", "0", "1", "0", "0", "8"], done.stdout + done.stderr
    assert done.stderr.count("No space left") + done.stderr.count("is full") == 2, done.stderr
    assert "Traceback" not in done.stderr
