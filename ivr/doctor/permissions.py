"""Checks that Asterisk, as its own user, can read and write in our folders: it converts a file there."""

from __future__ import annotations

import grp
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ivr.audio import asterisk_recording, wav
from ivr.doctor.installation import RunningAsterisk
from ivr.errors import describe_error
from ivr.health.finding import RESTART, RUN_AS_ROOT, START, Finding, ok, problem, quoted, warning
from ivr.prompts import clip_file
from ivr.storage.files import run_as_owner_of

SAMPLE_LENGTH_MS = 100
FALLBACK_PROMPT = "problem/later"
"""The prompt that the dialplan plays while the service is down."""
SET_UMASK = (
    "d=/etc/systemd/system/asterisk.service.d; mkdir -p $d && printf '[Service]\\nUMask=0007\\n' >$d/umask.conf &&"
    " systemctl daemon-reload && systemctl restart asterisk"
)
"""Asterisk has no setting of its own for it."""


def check_permissions(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that Asterisk can play files of the data folder and record to it."""
    folder = asterisk.installation.data_folder
    takes = asterisk.installation.takes_folder
    if not takes.is_dir():
        what = f"{takes} does not exist yet"
        yield warning("asterisk's rights", what, "start the service: it creates the folder", command=START)
        return
    name = f"doctor-{secrets.token_hex(8)}.wav"
    sample, recording = folder / name, takes / name
    try:
        with run_as_owner_of(folder):
            wav.write(sample, b"\0\0" * (SAMPLE_LENGTH_MS * wav.SAMPLES_PER_MS))
            sample.chmod(0o640)
        output = asterisk.run_command(f'file convert "{sample}" "{recording}"')
        yield _permission_finding(asterisk, output, recording)
    except OSError as error:
        yield problem(
            "asterisk's rights",
            describe_error(error),
            "see 'data folder'; run ivr doctor as root",
            command=RUN_AS_ROOT,
        )
    finally:
        _delete_files(folder, sample, recording)


def _permission_finding(asterisk: RunningAsterisk, output: str, recording: Path) -> Finding:
    folder = asterisk.installation.data_folder
    if "Unable to open input" in output:
        what = f"Asterisk cannot read {folder}: it plays neither prompts nor messages"
        remedy, command = _group_remedy(asterisk, folder)
        return problem("asterisk's rights", what, remedy, command=command)
    if "Unable to open output" in output:
        what = f"Asterisk cannot write to {recording.parent}: callers cannot leave messages"
        remedy, command = _group_remedy(asterisk, folder)
        chmod = f"chmod 2770 {quoted(recording.parent)}"
        return problem("asterisk's rights", what, f"{chmod}; {remedy}", command=f"{chmod}; {command}")
    if "Converted" not in output:
        reason = output.strip().splitlines()[-1] if output else "no output"
        what = f"the access of Asterisk could not be tested: {reason}"
        return warning("asterisk's rights", what, command="asterisk -rx 'module load res_convert.so'")
    with run_as_owner_of(folder):
        try:
            with asterisk_recording.open_recording(recording):
                pass
        except OSError as error:
            what = f"the service cannot read recordings of Asterisk: {error.strerror}"
            command = f"chmod g+s {quoted(recording.parent)}; {SET_UMASK}"
            return problem("asterisk's rights", what, command=command)
    return ok("asterisk's rights", f"Asterisk reads {folder} and records to {recording.parent}")


def _group_remedy(asterisk: RunningAsterisk, folder: Path) -> tuple[str, str]:
    """Return what gives Asterisk's process the group of the data folder, in words and as a command."""
    gid = folder.stat().st_gid
    start = asterisk.installation.host.find_asterisk_start()
    if start and start.run_group and gid not in start.process_groups:
        command = f"ivr install && {RESTART}"
        why = f"Asterisk was started with -G {start.run_group} ({start.source}) and has no other group"
        return f"{why}; this shares the group {start.run_group}: {command}", command
    if start and gid in start.process_groups:
        command = f"chmod 2750 {quoted(folder)}"
        return f"{command}; every folder above it needs mode o+x; Asterisk must see it at the same path", command
    user = (start and start.user) or "asterisk"
    group = _find_group(gid)
    if group is None:
        command = "ivr install && systemctl restart asterisk ivr"
        return f"no group has the number {gid}: {command}", command
    if user in group.gr_mem:
        command = "systemctl restart asterisk"
        return f"{user} came into the group {group.gr_name} after Asterisk was started: {command}", command
    command = f"usermod -aG {group.gr_name} {user}; systemctl restart asterisk"
    return f"{command}; it must see {folder} at the same path", command


def _find_group(gid: int) -> grp.struct_group | None:
    try:
        return grp.getgrgid(gid)
    except KeyError:
        return None


def _delete_files(folder: Path, *files: Path) -> None:
    """Delete files as the owner of `folder`; what the owner may not delete, as the current user."""
    for file in files:
        with run_as_owner_of(folder), suppress(OSError):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            file.unlink(missing_ok=True)


def check_fallback_prompt(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that Asterisk can play the prompt for callers while the service is down."""
    folder = asterisk.variables.get("IVR_SOUNDS_FOLDER", "")
    copy = asterisk.installation.takes_folder / f"doctor-{secrets.token_hex(8)}.wav"
    if not copy.parent.is_dir():
        return
    prompt = clip_file.find(Path(folder), FALLBACK_PROMPT)
    output = asterisk.run_command(f'file convert "{prompt}" "{copy}"')
    _delete_files(asterisk.installation.data_folder, copy)
    if "Unable to open input" in output:
        yield warning(
            "sounds",
            f"Asterisk cannot read {prompt}: while the service is down callers hear nothing",
            "let Asterisk read it, or install the package again, which writes IVR_SOUNDS_FOLDER",
            command="ivr install && asterisk -rx 'dialplan reload'",
        )
    elif "Converted" in output:
        yield ok("sounds", f"Asterisk reads {folder}")
