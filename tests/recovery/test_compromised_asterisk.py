"""A process that controls Asterisk writes what it likes into the folder of takes.

It runs as a user of its own, which shares the group of the recordings with the service. Nothing that is the service's
alone is read, changed or removed, and the messages of other callers arrive.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.audio import asterisk_recording, wav
from ivr.backup.copying import copy_file
from ivr.backup.selection import BackupSelection
from ivr.errors import InvalidAudio, NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.paths import load_asterisk_secret
from ivr.recovery.recording_fsync import RecordingFsync
from ivr.storage.records import Caller, RecordingPurpose, Take
from tests.recovery.test_fallback_recordings import fallback_name
from tests.support.app_fixture import AppFixture
from tests.support.speech import speech_pcm

ASTERISK_UID = 61_001
SHARED_GID = 61_000
PRIVATE_GID = 61_006
SPEECH = speech_pcm(2000)
SECRET = b"the pepper of the installation, which only its service may read"

SWAP = """
import os, sys
private, name, stop, content = sys.argv[1:]
while not os.path.exists(stop):
    os.symlink(private, name + ".new")
    os.rename(name + ".new", name)
    with open(name + ".new", "wb") as file:
        file.write(bytes.fromhex(content))
    os.rename(name + ".new", name)
"""


@dataclass
class Intruder:
    """Runs Python code as Asterisk's user in the shared group; without root, as the present user."""

    takes: Path

    def arguments(self) -> dict[str, object]:
        if os.geteuid() != 0:
            return {}
        return {"user": ASTERISK_UID, "group": SHARED_GID, "extra_groups": [], "umask": 0o007}

    def run(self, code: str, *arguments: object) -> str:
        command = [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **self.arguments())  # type: ignore[call-overload]
        return str(done.stdout)

    def start(self, code: str, *arguments: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]
        return subprocess.Popen(command, **self.arguments())  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder that other users can enter: those of pytest are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="ivr-intruder-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
async def app(data_folder: Path) -> AsyncIterator[AppFixture]:
    app = await AppFixture(data_folder).open()
    yield app
    app.close()


@pytest.fixture
def intruder(app: AppFixture) -> Intruder:
    data, takes = app.settings.data.folder, app.container.recordings.takes_folder
    if os.geteuid() == 0:
        for folder in (data, takes, app.container.recordings.incoming_folder):
            mode = folder.stat().st_mode & 0o7777
            os.chown(folder, -1, SHARED_GID)
            folder.chmod(mode)
    (data / "private").write_bytes(SECRET)
    (data / "private").chmod(0o600)
    return Intruder(takes)


async def begin_take(app: AppFixture, box: Mailbox, purpose: RecordingPurpose = RecordingPurpose.MESSAGE) -> Take:
    takes = app.container.voicemail_services.takes
    source = TakeSource(f"PJSIP/x-{os.urandom(4).hex()}", "call.1", Caller("2001"))
    take = await takes.begin(box.account_id, box.id, purpose, source)
    takes.release(source.channel, source.call_id)
    return take


async def run_recovery(app: AppFixture) -> None:
    for _ in range(20):
        await app.container.recording_recovery.run_once()
        app.clock.advance(s=3)


SYMLINK = "import os, sys; os.symlink(sys.argv[2], sys.argv[1])"
HARD_LINK = "import os, sys; os.link(sys.argv[2], sys.argv[1])"
FIFO = "import os, sys; os.mkfifo(sys.argv[1])"
SOCKET = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
DIRECTORY = "import os, sys; os.mkdir(sys.argv[1])"
HUGE = "import sys; open(sys.argv[1], 'wb').truncate(1 << 42)"


def plant(intruder: Intruder, kind: str, path: Path) -> None:
    private = intruder.takes.parent / "private"
    match kind:
        case "symbolic link":
            intruder.run(SYMLINK, path, private)
        case "link out of the folder":
            intruder.run(SYMLINK, path, "../private")
        case "hard link":  # Linux forbids these as a rule (fs.protected_hardlinks); older systems do not.
            os.link(private, path)
        case "pipe":
            intruder.run(FIFO, path)
        case "socket":
            intruder.run(SOCKET, path)
        case "device":
            if os.geteuid() != 0:
                pytest.skip("only root makes devices")
            os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero never ends.
        case "folder":
            intruder.run(DIRECTORY, path)
        case "huge sparse file":
            intruder.run(HUGE, path)


KINDS = [
    "symbolic link", "link out of the folder", "hard link", "pipe", "socket", "device", "folder", "huge sparse file"
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_what_asterisk_plants_is_not_read_and_others_messages_arrive(
    app: AppFixture, intruder: Intruder, kind: str
) -> None:
    box, other = await app.create_box("1000"), await app.create_box("1001")
    message, greeting = await begin_take(app, box), await begin_take(app, box, RecordingPurpose.GREETING)
    fallback = intruder.takes / fallback_name()
    for path in (Path(message.path), Path(greeting.path), fallback):
        plant(intruder, kind, path)
    good = await begin_take(app, other)
    Path(good.path).write_bytes(wav.header(0) + SPEECH)
    RecordingFsync(intruder.takes).run_once()
    await run_recovery(app)
    assert [found.length_ms for found in await app.messages(other)] == [2000]
    assert await app.messages(box) == []
    data = app.settings.data.folder
    assert (data / "private").read_bytes() == SECRET
    assert (data / "private").stat().st_mode & 0o777 == 0o600
    assert [path for path in data.rglob("*") if path.name.endswith(".part")] == []
    copies = [path for path in (data / box.account_id).rglob("*") if path.is_file() and SECRET in path.read_bytes()]
    assert copies == []
    assert os.path.lexists(fallback), "what cannot be delivered is left for the administrator"


@pytest.mark.parametrize("draft_name", [".{id}.wav.part", ".{id}.wav.draft"])
async def test_draft_of_a_greeting_that_is_put_aside_is_not_in_asterisks_folder(
    app: AppFixture, intruder: Intruder, draft_name: str
) -> None:
    """With a link at the name of the draft, audio was written over a file of the service."""
    box = await app.create_box("1000")
    take = await begin_take(app, box, RecordingPurpose.GREETING)
    Path(take.path).write_bytes(wav.header(0) + SPEECH)
    planted = intruder.takes / draft_name.format(id=take.id)
    intruder.run(SYMLINK, planted, intruder.takes.parent / "private")
    await app.container.voicemail_services.takes.mark_awaiting_owner(take)
    assert planted.is_symlink(), "nothing of that name was made or removed"
    assert (intruder.takes.parent / "private").read_bytes() == SECRET
    assert Path(take.path).read_bytes() == wav.header(len(SPEECH)) + SPEECH


def test_swap_between_check_and_use_reads_nothing_else(app: AppFixture, intruder: Intruder) -> None:
    """A recording and a link to a private recording take turns under one name while it is copied again and again."""
    data, takes = app.settings.data.folder, intruder.takes
    private = data / "private.wav"
    private.write_bytes(wav.header(len(SECRET)) + SECRET)
    private.chmod(0o600)
    name, stop, target = takes / "swapped.wav", data / "stop", data / "account" / "vm" / "message.wav"
    swapper = intruder.start(SWAP, private, name, stop, (wav.header(0) + b"\1\2" * 800).hex())
    outcomes: set[str] = set()
    try:
        deadline = time.monotonic() + 20
        while not outcomes >= {"copied", "refused"} and time.monotonic() < deadline:
            for _ in range(100):
                outcomes.add(copy(app, name, target))
    finally:
        stop.touch()
        swapper.wait()
    assert "leaked" not in outcomes
    assert outcomes >= {"copied", "refused"}, "both were met"
    assert list(target.parent.glob(".*")) == []


def copy(app: AppFixture, source: Path, target: Path) -> str:
    try:
        app.container.recordings.copy_and_repair(source, target)
    except NotFound:
        return "absent"
    except InvalidAudio:
        return "refused"
    return "leaked" if SECRET in target.read_bytes() else "copied"


def test_a_former_file_of_the_service_is_not_taken_for_a_recording(app: AppFixture, intruder: Intruder) -> None:
    """A hard link whose first name is gone is a file with one name; its group tells that it is not of this folder."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files to other groups")
    old = app.settings.data.folder / "pepper.old"
    old.write_bytes(wav.header(len(SECRET)) + SECRET)
    os.chown(old, os.geteuid(), 0)
    old.chmod(0o600)
    planted = intruder.takes / "planted.wav"
    os.link(old, planted)
    old.unlink()
    with pytest.raises(InvalidAudio, match="another group than its folder"):
        asterisk_recording.length_ms(planted)
    with pytest.raises(InvalidAudio, match="another group than its folder"):
        app.container.recordings.copy_and_repair(planted, app.settings.data.folder / "a" / "vm" / "copy.wav")


def test_holes_of_a_recording_use_no_space(app: AppFixture, intruder: Intruder) -> None:
    """Asterisk cannot fill the disk by a file that only seems large."""
    take, target = intruder.takes / "sparse.wav", app.settings.data.folder / "a" / "vm" / "copy.wav"
    with take.open("wb") as file:
        file.write(wav.header(0))
        file.truncate(1 << 30)
    app.container.recordings.copy_and_repair(take, target)
    assert target.stat().st_size == 1 << 30
    assert target.stat().st_blocks * 512 < 1 << 20


ATTEMPTS = """
import json, os, socket, stat, sys
data, config, recording = sys.argv[1:]
state, takes = data + "/state", data + "/takes"
secrets = [state + "/" + name for name in ("ivr.db", "ivr.db-wal", "ivr.db-shm", "pepper", "asterisk-secret")]
secrets.append(config + "/ivr.toml")
take = lambda name: takes + "/" + name
attempts = {
    "list": [lambda path=path: os.listdir(path) for path in (state, config, state + "/incoming")],
    "stat": [lambda path=path: os.stat(path) for path in secrets],
    "read": [lambda path=path: open(path).read() for path in secrets],
    "write": [lambda path=path: open(path, "a") for path in [*secrets, recording, data + "/new", data + "/ivr.db"]],
    "chmod": [lambda path=path: os.chmod(path, 0o777) for path in [state, data, takes, config, *secrets]],
    "remove": [lambda path=path: os.unlink(path) for path in [*secrets, recording]],
    "move": [lambda path=path: os.rename(path, take("moved")) for path in [state, recording, *secrets]],
    "move away": [lambda: os.rename(takes, data + "/other"), lambda: os.rename(data, data + ".other")],
    "exchange": [lambda path=path: os.rename(take("planted"), path) for path in [state, *secrets, recording]],
    "hard link": [lambda path=path: os.link(path, take("link")) for path in [*secrets, recording]],
    "open through a link": [lambda path=path: open(path).read() for path in (take("to-pepper"), take("to-settings"))],
    "device": [lambda: os.mknod(take("disk"), stat.S_IFBLK | 0o666, os.makedev(8, 0))],
    "owner": [lambda: os.chown(take("planted"), 61002, -1)],
    "play a recording": [lambda: open(recording, "rb").read()],
    "record": [lambda: open(take("recorded.wav"), "wb").write(b"x")],
    "pipe": [lambda: os.mkfifo(take("pipe"))],
}
os.symlink(state + "/pepper", take("to-pepper"))
os.symlink(config + "/ivr.toml", take("to-settings"))
open(take("planted"), "w").close()
succeeded = {}
for name, group in attempts.items():
    for number, attempt in enumerate(group):
        try:
            attempt()
        except OSError:
            continue
        succeeded.setdefault(name, []).append(number)
print(json.dumps(succeeded))
"""
"""What Asterisk's user tries, and at the end the three things that it may do."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become Asterisk's user")
async def test_asterisk_reaches_recordings_and_takes_and_nothing_else(app: AppFixture, intruder: Intruder) -> None:
    data, box = app.settings.data.folder, await app.create_box("1000")
    take = await begin_take(app, box)
    Path(take.path).write_bytes(wav.header(0) + SPEECH)
    await run_recovery(app)
    [recording] = (data / box.account_id / "vm").glob("*.wav")
    load_asterisk_secret(app.settings)
    config = data.parent / "config"
    config.mkdir(mode=0o750)
    (config / "ivr.toml").write_text("[mail]\npassword = 's3cret'\n")
    (config / "ivr.toml").chmod(0o640)
    for folder in (config, data / "state"):  # As `ivr install` leaves them: of the private group.
        for path in (folder, *folder.rglob("*")):
            os.chown(path, -1, PRIVATE_GID)
    for path in (recording, *recording.parents[:2]):
        os.chown(path, -1, SHARED_GID)
    done = intruder.run(ATTEMPTS, data, config, recording)
    assert json.loads(done) == {"play a recording": [0], "record": [0], "pipe": [0]}
    await run_recovery(app)
    assert [found.length_ms for found in await app.messages(box)] == [2000]
    assert recording.read_bytes() == wav.header(len(SPEECH)) + SPEECH


UNREADABLE: list[Callable[[Path], object]] = [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")]


@pytest.mark.parametrize("make", UNREADABLE)
def test_backup_leaves_out_what_is_no_recording(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """The backup runs as root: it would read any file, or wait for a pipe for ever."""
    make(tmp_path / "planted.wav")
    with pytest.raises(OSError, match="planted"):
        copy_file(tmp_path / "planted.wav", tmp_path / "copy", sync=False)
    assert not (tmp_path / "copy").exists()


def test_backup_leaves_out_second_names_and_odd_ones_in_the_folder_of_takes(tmp_path: Path) -> None:
    takes = tmp_path / "data" / "takes"
    takes.mkdir(parents=True)
    (tmp_path / "private").write_bytes(SECRET)
    (takes / "own.wav").write_bytes(SPEECH)
    os.link(tmp_path / "private", takes / "planted.wav")
    for name in (b"fallback-\n.wav", b"fallback-\xff.wav", b"\x1b[31m.wav"):  # With these no backup could be read.
        (takes / os.fsdecode(name)).write_bytes(SPEECH)
    selected = [file.path.name for file in BackupSelection(tmp_path / "data").data_files()]
    assert selected == ["own.wav"]
