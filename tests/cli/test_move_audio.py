"""`ivr move-store --audio`: all recordings to a bucket and back while messages come and go; interruptions; refusals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Ivr, parse_json
from tests.support.s3_server import BUCKET, S3Server

STORE = f"s3://{BUCKET}/site-1"


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An empty bucket. The settings have its address and key; recordings are in the data folder."""
    for name, value in s3_server.settings("site-1", store="folder").items():
        monkeypatch.setenv(f"IVR_AUDIO__{name.upper()}", str(value))
    return s3_server


@pytest.fixture
def filled_ivr(populated_ivr: Ivr, hello: Path) -> Ivr:
    """An installation with two messages and a greeting."""
    for caller in ("2001", "2002"):
        populated_ivr("message", "add", "1000", str(hello), "--caller", caller)
    populated_ivr("greeting", "set", "1000", "unavailable", str(hello))
    return populated_ivr


def files_by_key() -> dict[str, bytes]:
    folder = Path(os.environ["IVR_DATA__FOLDER"])
    return {
        f"site-1/{path.relative_to(folder)}": path.read_bytes()
        for path in (*folder.glob("*/vm/*"), *folder.glob("*/media/*"))
    }


def uploads(server: S3Server) -> list[str]:
    return [request for request in server.requests if request.startswith("PUT")]


def test_recordings_go_to_bucket_and_back_while_messages_come_and_go(
    filled_ivr: Ivr, bucket: S3Server, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ivr = filled_ivr
    printed = ivr("move-store", "--audio", STORE).stdout
    assert f'    [audio]\n    store = "{STORE}"\n' in printed
    assert bucket.objects == files_by_key()
    assert len(bucket.objects) >= 3
    ivr("move-store", "--audio", STORE, "--check")
    assert f"all recordings, to {STORE}" in ivr("audit", "list").stdout

    new = parse_json(ivr("message", "add", "1000", str(hello), "--json"))
    [row] = parse_json(ivr("move-store", "--audio", STORE, "--check", "--json", fails=1))
    assert (row["rows"] - row["rows_there"], row["equal"]) == (1, "NO")
    bucket.requests.clear()
    ivr("move-store", "--audio", STORE)
    assert len(uploads(bucket)) == 1, "what is there already is not uploaded again"
    assert new["id"] in uploads(bucket)[0]

    monkeypatch.setenv("IVR_AUDIO__STORE", STORE)
    ivr("message", "export", "1000", new["id"], str(tmp_path / "heard.wav"))
    assert (tmp_path / "heard.wav").read_bytes() == files_by_key()[f"site-1/{audio_key(new['id'])}"]
    latest = parse_json(ivr("message", "add", "1000", str(hello), "--json"))
    assert latest["id"] not in " ".join(files_by_key())
    ivr("move-store", "--audio", "folder", "--check", fails=1)
    assert 'store = "folder"' in ivr("move-store", "--audio", "folder").stdout
    assert files_by_key() == bucket.objects


def audio_key(message_id: str) -> str:
    [key] = [key for key in files_by_key() if message_id in key and key.endswith(".wav")]
    return key.removeprefix("site-1/")


def test_killed_move_leaves_whole_recordings_and_is_repeated(filled_ivr: Ivr, bucket: S3Server) -> None:
    script = (
        "import os, signal, sys\n"
        "from ivr.storage import audio_move\n"
        "audio_move.TRANSFERS = 1\n"
        "def write(self, key, content, before=audio_move.BucketFiles.write):\n"
        "    before(self, key, content)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "audio_move.BucketFiles.write = write\n"
        f"sys.argv = ['ivr', 'move-store', '--audio', {STORE!r}]\n"
        "from ivr.cli import main; main()\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(bucket.objects) == 1
    filled_ivr("move-store", "--audio", STORE, "--check", fails=1)
    filled_ivr("move-store", "--audio", STORE)
    assert bucket.objects == files_by_key()


def test_check_compares_content_and_names_what_differs(filled_ivr: Ivr, bucket: S3Server) -> None:
    filled_ivr("move-store", "--audio", STORE)
    damaged = next(iter(bucket.objects))
    bucket.objects[damaged] = bucket.objects[damaged][:-1] + b"\xff"
    output = filled_ivr("move-store", "--audio", STORE, "--check", fails=1).output
    assert damaged.removeprefix("site-1/") in output
    del bucket.objects[damaged]
    filled_ivr("move-store", "--audio", STORE)
    filled_ivr("move-store", "--audio", STORE, "--check")


def test_message_that_was_deleted_since_it_was_copied_is_told(filled_ivr: Ivr, bucket: S3Server) -> None:
    filled_ivr("move-store", "--audio", STORE)
    next(Path(os.environ["IVR_DATA__FOLDER"]).glob("*/vm/*.wav")).unlink()
    assert "1 recordings are in" in filled_ivr("move-store", "--audio", STORE, "--check").stderr
    assert f"{STORE} only" in filled_ivr("move-store", "--audio", STORE).stderr


def test_copy_that_is_not_what_was_read_ends_the_move(
    filled_ivr: Ivr, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_end(self: object, key: str, content: bytes) -> None:
        bucket.objects[f"site-1/{key}"] = content[:-2]

    monkeypatch.setattr("ivr.storage.audio_move.BucketFiles.write", lose_the_end)
    output = filled_ivr("move-store", "--audio", STORE, fails=5).output
    assert "returns other content than was stored" in output
    assert "then: systemctl start" not in output


def test_what_cannot_be_the_store_is_told_with_its_remedy(
    filled_ivr: Ivr, bucket: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store, code, expected in (
        ("ftp://host/x", 2, "write folder, or s3://bucket/prefix"),
        ("folder", 2, "are in folder already"),
        ("s3://nowhere/x", 5, "the bucket of s3://nowhere/x does not exist: create it"),
    ):
        assert expected in filled_ivr("move-store", "--audio", store, fails=code).output, store
    assert "--to for rows, --audio for recordings" in filled_ivr("move-store", fails=2).output
    bucket.fail()
    assert "(SlowDown): start the object store" in filled_ivr("move-store", "--audio", STORE, fails=5).output
    assert bucket.objects == {}
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"IVR_AUDIO__{name}")
    assert "audio.endpoint needs a key" in filled_ivr("move-store", "--audio", STORE, fails=1).output
