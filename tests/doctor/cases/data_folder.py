"""What is wrong with the settings, the data folder, the database, the prompts or the disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner

from ivr.storage.sqlite.migrations import SCHEMA_VERSION
from tests.doctor.broken_site import SERVICE_GROUP, SERVICE_USER, BrokenSite
from tests.doctor.cases.case import (
    Case,
    Step,
    after,
    all_of,
    append,
    change_row,
    chmod,
    chown_to_root,
    move,
    set_config,
)
from tests.support.all_commands import command
from tests.support.app_fixture import SOUNDS
from tests.support.s3_server import BUCKET, KEY_ID, run_s3_server

ACCOUNT = "0123456789abcdef" * 2
FREES_SPACE = "journalctl --vacuum-size=200M"


def set_misspelt(site: BrokenSite) -> None:
    text = site.config.read_text()
    site.config.write_text(text.replace("[fastagi]", "[fastagi]\n  max_cals=500"))


def recordings_of_root(mode: int) -> Step:
    """An administrator has copied the recordings of an account here."""

    def damage(site: BrokenSite) -> None:
        folder = site.data / ACCOUNT / "vm"
        folder.mkdir(parents=True)
        (folder / "1.wav").touch()
        folder.parent.chmod(0o2750)
        os.chown(folder.parent, SERVICE_USER, SERVICE_GROUP)
        folder.chmod(mode)

    return damage


def back_up(site: BrokenSite) -> None:
    result = CliRunner().invoke(command, ["backup", "create", str(site.folder / "backups")])
    assert result.exit_code == 0, result.output


def newest_backup(site: BrokenSite) -> Path:
    return site.folder / "backups"


def corrupt_database(site: BrokenSite) -> None:
    back_up(site)
    for name in ("ivr.db-wal", "ivr.db-shm"):
        (site.data / "state" / name).unlink(missing_ok=True)
    (site.data / "state" / "ivr.db").write_bytes(b"this is no database" * 1000)


def lose_database(site: BrokenSite) -> None:
    recordings_of_root(0o2750)(site)
    for path in (site.data / ACCOUNT / "vm", site.data / ACCOUNT / "vm" / "1.wav"):
        os.chown(path, site.data.stat().st_uid, site.data.stat().st_gid)
    back_up(site)
    for path in (site.data / "state").glob("ivr.db*"):
        path.unlink()


def empty_database(site: BrokenSite) -> None:
    lose_database(site)
    database = site.data / "state" / "ivr.db"
    database.touch(0o600)
    os.chown(database, site.data.stat().st_uid, site.data.stat().st_gid)


def copy_of_an_upgrade(site: BrokenSite) -> None:
    """A newer version has migrated the database. It has made a copy before."""
    database = site.data / "state" / "ivr.db"
    shutil.copy2(database, database.with_name(f"ivr.db.schema-{SCHEMA_VERSION}"))
    set_schema(90)(site)


def change_pepper(site: BrokenSite) -> None:
    shutil.copy(site.data / "state" / "pepper", site.folder / "pepper")
    (site.data / "state" / "pepper").write_text("another")


def set_schema(change: int) -> Step:
    def damage(site: BrokenSite) -> None:
        connection = sqlite3.connect(site.data / "state" / "ivr.db")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + change}")
        connection.close()

    return damage


def lock_database(site: BrokenSite) -> None:
    site.stack.enter_context(site.locked_database())
    site.effects[f"fuser -k -TERM {site.data}/state/ivr.db"] = site.stack.close


def future_message(site: BrokenSite) -> None:
    site.change_row(
        "INSERT INTO messages (id, account_id, box_id, folder, folder_changed_at, arrival_seq, urgent, time, length_ms,"
        " sample_rate, bytes, intro_ms, history, revision, stored_at) SELECT '209901-' || id, account_id, id, 'new', 1,"
        " 1, 0, 4000000000, 1, 8000, 1, 0, '[]', 1, 4000000000 FROM boxes"
    )
    site.effects["systemctl enable --now systemd-timesyncd"] = lambda: site.change_row("DELETE FROM messages")


def late_fallback_recording(site: BrokenSite) -> None:
    path = site.data / "takes" / "fallback-demo-4711-2001-1700000000-1.wav"
    path.write_bytes(b"RIFF")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    site.effects["ivr box create 4711 -a demo"] = path.unlink  # The service delivers it.


def copy_prompts(site: BrokenSite) -> None:
    (site.folder / "sounds" / "en").unlink()
    shutil.copytree(SOUNDS / "en", site.folder / "sounds" / "en", copy_function=os.symlink)


def close_prompts(site: BrokenSite) -> None:
    folder = site.folder / "sounds" / "en" / "month"
    folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
    shutil.copytree(SOUNDS / "en" / "month", folder)
    folder.chmod(0o700)


def no_ffmpeg(site: BrokenSite) -> None:
    program = site.folder / "bin" / "ffmpeg"
    program.unlink()
    for name in ("sh", "cat", "cp", "sed", "chmod"):
        (site.folder / "bin" / name).symlink_to(shutil.which(name) or name)
    os.environ["PATH"] = str(site.folder / "bin")  # `isolate` restores it.
    site.effects["apt install ffmpeg"] = lambda: program.touch(0o755)


def file_system(**changes: int) -> Step:
    """The file system of the data folder is in another state, until it is mounted again."""

    def damage(site: BrokenSite) -> None:
        real = os.statvfs

        def statvfs(path: str) -> os.statvfs_result:
            status = list(real(path))
            for name, value in changes.items():
                status[("f_favail", "f_flag").index(name) + 7] = value
            return os.statvfs_result(status)

        site.stack.enter_context(mock.patch("os.statvfs", statvfs))
        mount_point = next(folder for folder in site.data.parents if folder.is_mount())
        site.effects[f"mount -o remount,rw {mount_point}"] = site.stack.close
        site.effects[FREES_SPACE] = site.stack.close

    return damage


def replace_by_file(name: str) -> Step:
    def damage(site: BrokenSite) -> None:
        folder = site.data / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.touch()

    return damage


def start_makes_takes(site: BrokenSite) -> None:
    """The service creates the folder for recordings when it starts."""
    replace_by_file("takes")(site)

    def start() -> None:
        (site.data / "takes").mkdir()
        shutil.copystat(site.data, site.data / "takes")
        (site.data / "takes").chmod(0o2770)
        os.chown(site.data / "takes", site.data.stat().st_uid, site.data.stat().st_gid)

    site.effects["systemctl restart ivr"] = start


def link_to_unmounted_disk(site: BrokenSite) -> None:
    (site.data / ACCOUNT).symlink_to(site.folder / "disk")


def mount_disk(site: BrokenSite) -> None:
    (site.folder / "disk").mkdir(mode=0o750)
    os.chown(site.folder / "disk", site.data.stat().st_uid, site.data.stat().st_gid)


def free_space(megabytes: int) -> Step:
    def damage(site: BrokenSite) -> None:
        usage = shutil._ntuple_diskusage(10**12, 10**12, megabytes * 2**20)
        site.stack.enter_context(mock.patch("shutil.disk_usage", return_value=usage))
        site.effects[FREES_SPACE] = site.stack.close

    return damage


def object_store(**wrong: object) -> Step:
    """Recordings are in a bucket of an object store, and a setting of it is wrong."""

    def damage(site: BrokenSite) -> None:
        server = site.stack.enter_context(run_s3_server())
        site.object_store = server.endpoint
        site.write_config(audio=server.settings("site", **wrong))

    return damage


CASES: dict[str, Case] = {
    # -- settings
    "settings readable by all": Case(
        all_of(set_config("mail", password="secret"), lambda site: site.config.chmod(0o644)),
        "config",
        "contains a secret, and every user can read it",
    ),
    "settings unreadable by the service": Case(
        all_of(lambda site: os.chown(site.config, 0, 0), lambda site: site.config.chmod(0o600)),
        "config",
        "the user of the service cannot read",
        as_root=True,
    ),
    "settings misspelt": Case(
        append("etc/ivr.toml", "[voicemaill]\nmin_message_size = 500\n"), "config", "did you mean voicemail?"
    ),
    "setting misspelt": Case(set_misspelt, "config", "did you mean fastagi.max_calls?"),
    "setting unknown": Case(append("etc/ivr.toml", "[weather]\ncity = 'x'\n"), "config", "unknown"),
    "setting of a wrong type": Case(set_config("data", busy_timeout_ms="many"), "config", "busy_timeout_ms"),
    "settings are no TOML": Case(append("etc/ivr.toml", "host = \n"), "config", "ivr.toml"),
    # -- data folder
    "data folder missing": Case(
        all_of(move("data", "elsewhere"), after("mount -a", move("elsewhere", "data"))), "data folder", "does not exist"
    ),
    "data folder open to all": Case(chmod("", 0o2755), "data folder", "every user can access"),
    "data folder not writable": Case(chmod("", 0o2550), "data folder", "cannot write to", as_root=True),
    "takes not writable by Asterisk's group": Case(chmod("takes", 0o2750), "data folder", "group cannot record to"),
    "takes of another group": Case(
        lambda site: os.chown(site.data / "takes", -1, 0), "data folder", "group cannot record to", as_root=True
    ),
    "takes open to all": Case(chmod("takes", 0o2777), "data folder", "every user can access"),
    "takes of another user": Case(
        chown_to_root("takes", 0o2700), "data folder", "the service cannot write to", as_root=True
    ),
    "state of root": Case(chown_to_root("state", 0o700), "data folder", "belongs to user 0, not to user", as_root=True),
    "recordings of root": Case(recordings_of_root(0o750), "recordings", "the service cannot write to", as_root=True),
    "recordings not readable by Asterisk": Case(
        all_of(
            recordings_of_root(0o2700), lambda site: os.chown(site.data / ACCOUNT / "vm", SERVICE_USER, SERVICE_GROUP)
        ),
        "recordings",
        "Asterisk cannot read",
        as_root=True,
    ),
    "file instead of the folder of recordings in progress": Case(
        start_makes_takes, "data folder", "takes is a file, where a folder must be"
    ),
    "file instead of an account's folder": Case(
        replace_by_file(ACCOUNT), "recordings", "is a file, where a folder must be"
    ),
    "disk of an account not mounted": Case(
        all_of(link_to_unmounted_disk, after("mount -a", mount_disk)), "recordings", "which is no folder"
    ),
    "file system read-only": Case(file_system(f_flag=os.ST_RDONLY), "data folder", "is read-only"),
    "pepper readable by others": Case(chmod("state/pepper", 0o644), "secrets", "other users than that of the service"),
    "secret readable by others": Case(
        chmod("state/asterisk-secret", 0o640), "secrets", "other users than that of the service"
    ),
    "pepper of root": Case(
        chown_to_root("state/pepper", 0o600), "secrets", "the user of the service cannot read", as_root=True
    ),
    # -- database
    "database of root": Case(chown_to_root("state/ivr.db", 0o600), "database", "which belongs to user 0", as_root=True),
    "database read-only": Case(chmod("state/ivr.db", 0o440), "database", "nothing can be stored", as_root=True),
    "database damaged": Case(corrupt_database, "database", "not a database", {"FOLDER": newest_backup}),
    "database newer": Case(copy_of_an_upgrade, "database", "newer version of ivr"),
    "database locked": Case(lock_database, "database", "locked by another process"),
    "database missing": Case(lose_database, "database", "but there are recordings", {"FOLDER": newest_backup}),
    "database empty": Case(empty_database, "database", "is empty, but there are recordings", {"FOLDER": newest_backup}),
    "pepper missing": Case(
        move("data/state/pepper", "pepper"),
        "pepper",
        "no PIN can be verified",
        {"FILE": lambda site: site.folder / "pepper"},
    ),
    "pepper changed": Case(
        change_pepper, "pepper", "every PIN is wrong", {"FILE": lambda site: site.folder / "pepper"}
    ),
    "limits of the account contradict the system's": Case(
        change_row("""UPDATE accounts SET settings = '{"min_pin_length": 9, "operator_key": "0)", "clock": "24h"}'"""),
        "account settings",
        "account demo has settings that cannot be used",
    ),
    "zone of the account unknown": Case(
        change_row("UPDATE accounts SET timezone = 'Europe/Berlinn'"), "time zones", "unknown time zone"
    ),
    "zone of a user unknown": Case(
        change_row("UPDATE users SET timezone = 'Mars/Olympus'"), "time zones", "user alice has the unknown time zone"
    ),
    "zone of a box unknown": Case(
        change_row("UPDATE boxes SET settings = json_set(settings, '$.timezone', 'CEST7')"),
        "time zones",
        "box 1000 has the unknown time zone",
    ),
    "clock behind the messages": Case(future_message, "clock", "but there are messages from"),
    "recording of the dialplan not delivered": Case(
        late_fallback_recording,
        "recordings",
        "fallback-demo-4711-2001-1700000000-1.wav",
    ),
    # -- object store
    "bucket missing": Case(
        object_store(store="s3://recordingz/site"), "audio store", "does not exist", {"BUCKET": f"{BUCKET}/site"}
    ),
    "key of the object store refused": Case(
        object_store(access_key_id="another"), "audio store", "refuses the key", typed=f's/"another"/"{KEY_ID}"/'
    ),
    "object store not reached": Case(
        object_store(endpoint="http://127.0.0.1:9"),
        "audio store",
        "does not answer as it should (connection refused)",
        {"URL": lambda site: site.object_store},
    ),
    # -- prompts, programs
    "prompt unreadable": Case(
        all_of(copy_prompts, close_prompts),
        "sounds",
        "recordings of language en are missing or unreadable",
        as_root=True,
    ),
    "prompts missing": Case(set_config("sounds", folder="/nowhere"), "sounds", "/nowhere"),
    "prompt missing": Case(
        all_of(copy_prompts, move("sounds/en/month", "month")),
        "sounds",
        "recordings of language en are missing",
    ),
    "ffmpeg missing": Case(no_ffmpeg, "ffmpeg", "ffmpeg is not installed"),
    # -- disk
    "disk full": Case(free_space(0), "disk", "0 MB free for"),
    "inodes used up": Case(file_system(f_favail=5), "disk", "5 further files can be created"),
    "disk nearly full": Case(free_space(900), "disk", "900 MB free for"),
}
