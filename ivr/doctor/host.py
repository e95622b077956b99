"""Checks of the machine: settings, data folder, database, clock, programs."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ivr.doctor.installation import Installation
from ivr.doctor.settings_file import edit_command, set_command
from ivr.doctor.unit import find_other_owner
from ivr.health.checks import run_checks
from ivr.health.finding import EDITOR, RESTART, Finding, ok, problem, quoted, warning
from ivr.recovery.fallback_recordings import FILE_PREFIX, parse_file_name
from ivr.settings import Settings
from ivr.storage.data_folder import earlier_database, private_files_outside, state_folder
from ivr.storage.files import run_as_owner_of

AS_POSTGRES = "runuser -u postgres --"
MORE_CONNECTIONS = "'ALTER SYSTEM SET max_connections = 200'"
INSTALL_KERNEL = (
    "apt install linux-image-$(dpkg --print-architecture |"
    " sed 's/^i386$/686-pae/; s/^armhf$/armmp/; s/^ppc64el$/powerpc64le/')"
)
"""Debian names some kernels otherwise than the architecture."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_POSTGRESQL = re.compile(r"postgresql://(?:(?P<user>[^@\s]*)@)?(?P<host>\S*)/(?P<name>[^\s/;)]+)")
"""The address in an error of PostgreSQL; a path as its host is the folder of a socket."""
_SERVER = re.compile(r"(?P<host>\[.*\]|[^:]*):(?P<port>\d+)")
"""A host with a port, which is named if it is another than that of PostgreSQL's first cluster."""


def check_configuration(installation: Installation) -> Iterator[Finding]:
    """Check that there is a settings file, and that other users cannot read secrets in it."""
    if installation.config_file is None:
        yield warning(
            "config",
            "there is no ivr.toml: the settings are the defaults and the IVR_* variables",
            "create /etc/ivr/ivr.toml ('ivr install' does), or set IVR_CONFIG to the path of one",
            command="ivr install",
        )
    elif _contains_secret(installation.settings) and installation.config_file.stat().st_mode & stat.S_IROTH:
        yield problem(
            "config",
            f"{installation.config_file} contains a secret, and every user can read it",
            command=f"chmod 640 {quoted(installation.config_file)}",
        )
    elif _contains_secret(installation.settings) and _is_readable_by_asterisk(
        installation.config_file, installation.data_folder
    ):
        yield problem(
            "config",
            f"{installation.config_file} contains a secret, and the group that Asterisk is in can read it",
            command=f"ivr install && {RESTART}",
        )
    elif find_other_owner(installation):
        return  # `check_unit` says so: this user need not read the settings.
    elif not _is_readable_by_service(installation.config_file, installation.data_folder):
        folder, file = quoted(installation.data_folder), quoted(installation.config_file)
        yield problem(
            "config",
            f"the user of the service cannot read {installation.config_file}: the service does not start",
            command=f"chgrp --reference={folder} {file} && chmod 640 {file}",
        )
    else:
        yield ok("config", f"{installation.config_file}")


def _is_readable_by_service(file: Path, data_folder: Path) -> bool:
    with run_as_owner_of(data_folder):
        return os.access(file, os.R_OK, effective_ids=True)


def _is_readable_by_asterisk(file: Path, data_folder: Path) -> bool:
    """Return whether the group of the data folder, or every user, can reach and read a file of root."""
    if not data_folder.is_dir() or not _has_private_group(data_folder.stat().st_uid, file.stat().st_uid):
        return False
    shared = data_folder.stat().st_gid

    def allows(path: Path, of_group: int, of_others: int) -> bool:
        status = path.stat()
        return bool(status.st_mode & (of_group if status.st_gid == shared else of_others))

    return allows(file, stat.S_IRGRP, stat.S_IROTH) and allows(file.parent, stat.S_IXGRP, stat.S_IXOTH)


def _has_private_group(service_uid: int, file_uid: int) -> bool:
    """Return whether the service can have a group of its own: as another user than that of the file, with a name."""
    try:
        pwd.getpwuid(service_uid)
    except KeyError:
        return False
    return service_uid != file_uid


def _contains_secret(settings: Settings) -> bool:
    return any((settings.asterisk.secret, settings.ami.secret, settings.mail.password))


def check_health(installation: Installation) -> Iterator[Finding]:
    """Run the checks that the running service runs too."""
    for finding in run_checks(installation.health_facts()):
        if finding.check == "audio store" and not finding.command:
            yield _with_store_command(finding, installation.config_file)
        elif finding.check == "database" and not finding.command:
            yield _with_postgresql_command(finding, installation)
        else:
            yield finding


def _with_store_command(finding: Finding, file: Path | None) -> Finding:
    """Return a finding about the object store with the command that corrects it: only the doctor knows the settings."""
    what, remedy, fill_in = finding.what, finding.remedy, ""
    if "bucket of" in what and "does not exist" in what:
        fill_in, remedy = "BUCKET", f"{remedy} to s3://BUCKET, with its prefix"
        command = set_command(file, "audio", {"store": '"s3://BUCKET"'})
    elif "is in another region" in what:
        fill_in, remedy = "REGION", f"{remedy} to REGION"
        command = set_command(file, "audio", {"region": '"REGION"'})
    elif "does not answer" in what:
        fill_in, remedy = "URL", f"{remedy} to URL"
        command = set_command(file, "audio", {"endpoint": '"URL"'})
    elif "refuses the time" in what:
        command = remedy
    elif "no space left" in what:
        remedy, command = f"{remedy}; this deletes what is no longer needed", "ivr purge --yes"
    elif "lets everybody" in what or " is slow (" in what:
        return finding  # What is to be done depends on the store.
    else:
        command = edit_command(file, "audio", "access_key_id", "secret_access_key", "secret_access_key_file")
    return replace(finding, remedy=remedy, command=command, fill_in=(fill_in,) if fill_in and command else ())


def check_database(installation: Installation) -> Iterator[Finding]:
    """Check that the database contains an account."""
    if installation.snapshot is None:
        return  # `ivr doctor` has reported why.
    if not installation.snapshot.accounts:
        remedy = "create one, of a NAME of yours, then users, endpoints and boxes"
        command = "ivr account create NAME"
        yield warning("database", "there is no account yet", remedy, command=command, fill_in=("NAME",))
    else:
        snapshot = installation.snapshot
        counts = f"{len(snapshot.accounts)} accounts, {len(snapshot.users)} users, {len(snapshot.boxes)} boxes"
        yield ok("database", f"{counts}, {len(snapshot.endpoints)} endpoints")


def check_account_settings(installation: Installation) -> Iterator[Finding]:
    """Check that the settings of accounts can be used: those that cannot are left out, and calls go on."""
    for account in installation.snapshot.accounts if installation.snapshot else ():
        if unusable := installation.settings.voicemail.unusable(account.settings):
            reasons = "; ".join(f"{name} = {account.settings[name]!r}: {why}" for name, why in unusable.items())
            removals = " ".join(f"settings.{name}=null" for name in unusable)
            yield warning(
                "account settings",
                f"account {account.name} has settings that cannot be used ({reasons})",
                "let the system's hold instead, or set others",
                command=f"ivr account set {shlex.quote(account.name)} {removals}",
            )


def _with_postgresql_command(finding: Finding, installation: Installation) -> Finding:
    """Return a finding about PostgreSQL with the command that corrects it: here, if the server is on this machine.

    An address without a user means the user of the service, by whose name libpq connects.
    """
    file, address = installation.config_file, _POSTGRESQL.search(finding.what)
    if not address or "disk of PostgreSQL" in finding.what:
        return finding if address else replace(finding, command=edit_command(file, "database", "url"))
    user = address["user"] or _owner_name(installation.data_folder)
    server = _SERVER.fullmatch(address["host"])
    host, port = (server["host"], f" --port={server['port']}") if server else (address["host"], "")
    command = _command_on_server(finding.what, user or "USER", address["name"], port)
    if not command:
        return replace(finding, command=edit_command(file, "database", "url"))
    what_user = "" if user or "USER" not in command else ", of USER, which database.url does not name"
    if host.strip("[]") in LOCAL_HOSTS or host.startswith("/"):
        command = f"{command} && {RESTART}"
        fill_in = ("USER",) if what_user else ()
        remedy = f"{finding.remedy}: {command}{what_user}"
        return replace(finding, remedy=remedy, command=command, fill_in=fill_in)
    remedy = f"{finding.remedy}; on the machine of PostgreSQL: {command}{what_user}; then here: {RESTART}"
    return replace(finding, remedy=remedy)


def _command_on_server(what: str, user: str, name: str, port: str) -> str:
    """Return the command that corrects this on the machine of PostgreSQL; "" if it is wrong in the settings here."""
    role, database = (word.replace('"', '""') for word in (user, name))
    psql, owner = f"{AS_POSTGRES} psql{port} -c", shlex.quote(f'ALTER DATABASE "{database}" OWNER TO "{role}"')
    login = shlex.quote(f'ALTER ROLE "{role}" LOGIN')
    for pattern, command in (
        ("has no such database", f"{AS_POSTGRES} createdb{port} --owner={shlex.quote(user)} {shlex.quote(name)}"),
        ("permission denied for database|refuses a statement", f"{psql} {owner}"),
        ("refuses the user.* is not permitted", f"{psql} {login}"),
        ("refuses the user.* does not exist", f"{AS_POSTGRES} createuser{port} --pwprompt {shlex.quote(user)}"),
        (
            "refuses the user",
            f"{EDITOR} \"$({AS_POSTGRES} psql{port} -Atc 'SHOW hba_file')\" && systemctl reload postgresql",
        ),
        ("has no free connection", f"{psql} {MORE_CONNECTIONS} && systemctl restart postgresql"),
        ("does not answer", "systemctl start postgresql"),
    ):
        if re.search(pattern, what):
            return command
    return ""


def _owner_name(folder: Path) -> str:
    """Return the name of the user whose folder it is; "" if it is missing or the user has no name."""
    try:
        return pwd.getpwuid(folder.stat().st_uid).pw_name
    except (KeyError, OSError):
        return ""


def check_ffmpeg(installation: Installation) -> Iterator[Finding]:
    """Check that ffmpeg is installed, which decodes uploads and encodes M4A, and that a file cannot misuse it."""
    found = installation.host.find_program("ffmpeg")
    if found and (unprotected := installation.host.missing_protection()):
        yield warning(
            "ffmpeg",
            f"a hostile upload that takes ffmpeg over is not kept from {unprotected}",
            "use a kernel with Landlock, such as Debian's, and restart the machine; until then, let only people whom"
            " you trust upload audio",
            command=INSTALL_KERNEL,
        )
    elif found:
        yield ok("ffmpeg", f"{found}, which sees no other files than the one it converts")
    else:
        yield warning(
            "ffmpeg",
            "ffmpeg is not installed: only WAV can be added, only WAV and MP3 can be mailed and downloaded",
            command="apt install ffmpeg",
        )


SECRET_FILES = ("pepper", "asterisk-secret", "ami-secret")
CREDENTIALS_FOLDER = Path("/run/credentials")


def check_secret_files(installation: Installation) -> Iterator[Finding]:
    """Check that the user of the service can read the files that hold secrets, and no other user."""
    data, state = installation.data_folder, state_folder(installation.data_folder)
    for path in private_files_outside(data) if earlier_database(data) is None else ():
        what = f"{path} is where an earlier version of ivr had it; this version has it in {state}"
        remedy = f"move it to {state} if nothing is there, else away from this machine"
        target = "/root" if (state / path.name).exists() else state
        yield problem("secrets", what, remedy, command=f"mv {quoted(path)} {quoted(Path(target))}/ && {RESTART}")
    paths = [path for name in SECRET_FILES for path in sorted(state.glob(f"{name}*"))]
    if (pepper := installation.pepper_file).parent != state:
        paths += [pepper, *sorted(pepper.parent.glob(f"{pepper.name}.*"))]
    for path in paths:
        # The bits of the group of a credential of systemd are the mask of an access control list.
        others = 0o007 if path.is_relative_to(CREDENTIALS_FOLDER) else 0o077
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & others:
            yield problem(
                "secrets", f"other users than that of the service can read {path}", command=f"chmod 600 {quoted(path)}"
            )
        elif path.is_file() and not _is_readable_by_service(path, data):
            yield problem(
                "secrets",
                f"the user of the service cannot read {path}",
                command=f"chown --reference={quoted(data)} {quoted(path)} && chmod 600 {quoted(path)}",
            )


LATE_AFTER_S = 3600
"""A fallback recording is delivered within seconds; after this time something is wrong."""


def check_fallback_recordings(installation: Installation) -> Iterator[Finding]:
    """Check that no recording of the dialplan waits for long: its mailbox may not exist."""
    takes, now = installation.takes_folder, installation.host.clock.now()
    recordings = sorted(takes.glob(f"{FILE_PREFIX}*"))
    # One of the future was recorded before the clock was set back.
    late = [path for path in recordings if abs(now - path.lstat().st_mtime) > LATE_AFTER_S]
    if late:
        yield problem(
            "recordings",
            f"{len(late)} recordings of the dialplan are not delivered, such as {late[0].name}; each is removed after"
            f" {installation.settings.retention.undelivered_days} days",
            "its name has account, box and caller: create the mailbox, and correct its number in the dialplan if it is"
            " wrong there; the log says why: journalctl -u ivr | grep fallback_recording",
            command="; ".join(dict.fromkeys(filter(None, (_create_box_command(path, installation) for path in late)))),
        )


def _create_box_command(recording: Path, installation: Installation) -> str:
    """Return the command that creates the mailbox of a recording; "" if there is one, or its account is not known."""
    parsed = parse_file_name(recording)
    snapshot = installation.snapshot
    if parsed is None or snapshot is None or not parsed.box_number.isdecimal():
        return ""
    accounts = [account for account in snapshot.accounts if parsed.account_name in ("", account.name)]
    if len(accounts) != 1 or any(parsed.box_number in (box.mailbox, *box.aliases) for box in snapshot.boxes):
        return ""
    return f"ivr box create {parsed.box_number} -a {shlex.quote(accounts[0].name)}"
