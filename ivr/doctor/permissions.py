"""Whether Asterisk may read and write in our folders, as its own user: it is asked to."""

from __future__ import annotations

import grp
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ivr.audio import wav
from ivr.doctor.asterisk_context import AsteriskContext
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import run_as_owner_of

SAMPLE_LENGTH_MS = 100
FALLBACK_PROMPT = "problem/later"
"""The prompt that the dialplan plays by itself when the service is down."""


def check_permissions(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether Asterisk can play what lies in our folder and record into it, as its own user: it is asked to."""
    folder = asterisk.installation.data_folder
    takes = folder / "takes"
    if not takes.is_dir():
        yield warning("asterisk's rights", f"there is no {takes} yet", "start 'ivr serve' once")
        return
    name = f"doctor-{secrets.token_hex(8)}.wav"
    sample, taken = folder / name, takes / name
    try:
        with run_as_owner_of(folder):
            wav.write(sample, b"\0\0" * (SAMPLE_LENGTH_MS * wav.SAMPLES_PER_MS))
            sample.chmod(0o640)
        said = asterisk.run_command(f'file convert "{sample}" "{taken}"')
        yield _permission_finding(asterisk, said, taken)
    except OSError as error:
        yield problem("asterisk's rights", f"{error}", f"make {folder} the service's: see 'data folder'")
    finally:
        _delete_files(folder, sample, taken)


def _permission_finding(asterisk: AsteriskContext, output: str, recording: Path) -> Finding:
    folder = asterisk.installation.data_folder
    if "Unable to open input" in output:
        what = f"Asterisk cannot read {folder}: neither prompts nor messages are heard"
        return problem("asterisk's rights", what, _group_remedy(asterisk, folder))
    if "Unable to open output" in output:
        what = f"Asterisk cannot write into {recording.parent}: nobody can leave a message"
        return problem("asterisk's rights", what, f"chmod 2770 {recording.parent}; {_group_remedy(asterisk, folder)}")
    if "Converted" not in output:
        what = (
            f"Asterisk could not be asked to read and write: {output.strip().splitlines()[-1] if output else 'silence'}"
        )
        return warning("asterisk's rights", what, "load res_convert: asterisk -rx 'module load res_convert.so'")
    with run_as_owner_of(folder):
        try:
            recording.read_bytes()
        except OSError as error:
            what = f"what Asterisk records, the service cannot read: {error.strerror}"
            return problem("asterisk's rights", what, f"chmod g+s {recording.parent}; umask = 007 in asterisk.conf")
    return ok("asterisk's rights", f"Asterisk reads {folder} and records into {recording.parent}")


def _group_remedy(asterisk: AsteriskContext, folder: Path) -> str:
    """Return the commands that give Asterisk's process the group of the data folder."""
    gid = folder.stat().st_gid
    start = asterisk.installation.host.find_asterisk_start()
    if start and start.run_group and gid not in start.process_groups:
        return (
            f"Asterisk was started with -G {start.run_group} ({start.source}) and has no other group: run 'ivr install', "
            f"which shares the group {start.run_group}; then: systemctl restart ivr"
        )
    if start and gid in start.process_groups:
        return f"chmod 2750 {folder}; every folder above it needs mode o+x; Asterisk must see it at this same path"
    user = (start and start.user) or "asterisk"
    group = _find_group(gid)
    if group is None:
        return f"no group has the number {gid}: run 'ivr install', then: systemctl restart asterisk ivr"
    if user in group.gr_mem:
        return f"{user} came into the group {group.gr_name} after Asterisk was started: systemctl restart asterisk"
    return f"usermod -aG {group.gr_name} {user}; systemctl restart asterisk; it must see {folder} at this same path"


def _find_group(gid: int) -> grp.struct_group | None:
    try:
        return grp.getgrgid(gid)
    except KeyError:
        return None


def _delete_files(folder: Path, *files: Path) -> None:
    """By the folder's owner, so that root need not; and where they may not, by whoever asks."""
    for file in files:
        with run_as_owner_of(folder), suppress(OSError):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            file.unlink(missing_ok=True)


def check_fallback_prompt(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether the dialplan's own apology can be heard when the service is down."""
    folder = asterisk.variables.get("IVR_SOUNDS_FOLDER", "")
    heard = asterisk.installation.data_folder / "takes" / f"doctor-{secrets.token_hex(8)}.wav"
    if not heard.parent.is_dir():
        return
    said = asterisk.run_command(f'file convert "{folder}/{FALLBACK_PROMPT}.wav" "{heard}"')
    _delete_files(asterisk.installation.data_folder, heard)
    if "Unable to open input" in said:
        yield warning(
            "sounds",
            f"Asterisk cannot read {folder}/{FALLBACK_PROMPT}.wav: while the service is down callers hear nothing",
            "IVR_SOUNDS_FOLDER => the folder sounds/en, in /etc/asterisk/ivr/secret.conf, where Asterisk may read it",
        )
    elif "Converted" in said:
        yield ok("sounds", f"Asterisk reads {folder}")
