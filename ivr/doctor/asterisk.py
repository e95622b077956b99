"""What only Asterisk can tell: what it is, what it may do in our folders, and what its dialplan lets people do.

Everything is asked over its console, where nothing of it changes a setting.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ivr.app import asterisk_secret
from ivr.audio import wav
from ivr.doctor import answers
from ivr.doctor.console import NoAnswer
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation, as_owner_of
from ivr.errors import StoreError
from ivr.mailbox.system import VoicemailSettings

BUILT_FOR = 22
MODULES = (
    "res_agi", "res_speech", "app_playback", "app_stack", "pbx_config", "func_global", "func_dialplan",
    "func_callerid", "func_pjsip_endpoint", "res_pjsip", "chan_pjsip", "format_wav", "codec_ulaw",
)  # fmt: skip
"""What a call needs (asterisk-conf/modules.conf)."""
CONTEXTS_FOLLOWED = 200
A_MOMENT_MS = 100
LATER = "problem/later"
"""The prompt that the dialplan plays by itself when the service is down."""


@dataclass(frozen=True, slots=True)
class Attendance:
    """An Asterisk that answers."""

    site: Installation
    variables: dict[str, str] = field(default_factory=dict)
    """Its global variables."""

    def ask(self, command: str) -> str:
        return self.site.console.ask(command)


def asterisk(site: Installation) -> Iterator[Finding]:
    """All that Asterisk is asked for. Where it does not answer, that is the one thing that is wrong."""
    try:
        there = Attendance(site, answers.global_variables(site.console.ask("dialplan show globals")))
        for check in (version, modules, secret, dialplan, may_read_and_write, prompts, endpoints, contexts):
            yield from check(there)
    except NoAnswer as error:
        yield problem(
            "asterisk", f"its console does not answer: {error}",
            "start Asterisk; run ivr doctor as root or in its group; [asterisk] console says how it is reached",
        )  # fmt: skip


def version(there: Attendance) -> Iterator[Finding]:
    """Whether it is the Asterisk that ivr was built for."""
    found = answers.version(there.ask("core show version"))
    if found is None or found[0] < BUILT_FOR:
        told = f"Asterisk {found[1]}" if found else "an Asterisk whose version nobody can read"
        yield warning("asterisk", f"{told}; ivr is tested on {BUILT_FOR}", f"install Asterisk {BUILT_FOR}")
    else:
        yield ok("asterisk", f"Asterisk {found[1]}")


def modules(there: Attendance) -> Iterator[Finding]:
    """Whether what a call needs is loaded."""
    running = answers.running_modules(there.ask("module show"))
    missing = [name for name in MODULES if name not in running]
    if missing:
        remedy = "load them in modules.conf (asterisk-conf/modules.conf lists them), then: "
        remedy += "; ".join(f"asterisk -rx 'module load {name}.so'" for name in missing[:3])
        yield problem("modules", f"not running: {', '.join(missing)}", remedy)
    else:
        yield ok("modules", f"all {len(MODULES)} that are needed run")


def secret(there: Attendance) -> Iterator[Finding]:
    """Whether Asterisk knows the secret by which the service knows it. Neither is ever shown."""
    settings, folder = there.site.settings, there.site.folder
    try:
        with as_owner_of(folder):
            if not settings.asterisk.secret and not (folder / "asterisk-secret").exists():
                yield problem("secret", f"there is no secret in {folder} yet", "start 'ivr serve' once: it makes one")
                return
            ours = asterisk_secret(settings)
    except (StoreError, OSError) as error:
        yield problem("secret", str(error), "run ivr doctor as the service's user, or as root")
        return
    told = there.variables.get("IVR_SECRET", "")
    put = "put 'IVR_SECRET => ' and what the service's file asterisk-secret holds into /etc/asterisk/ivr/secret.conf"
    remedy = f"{put}, then: asterisk -rx 'dialplan reload'"
    if not told:
        yield problem("secret", "Asterisk has no IVR_SECRET: every box asks for its PIN", remedy)
    elif not hmac.compare_digest(told.encode(), ours.encode()):
        yield problem("secret", "Asterisk's IVR_SECRET is another than ours: every box asks for its PIN", remedy)
    else:
        yield ok("secret", "Asterisk and the service have the same one")


def dialplan(there: Attendance) -> Iterator[Finding]:
    """Whether calls reach the service."""
    host = there.variables.get("IVR_HOST", "")
    listens = there.site.settings.fastagi
    if not answers.extensions(_shown(there, "ivr-check")):
        yield problem(
            "dialplan", "it has no context ivr-check",
            "last line of [globals] in extensions.conf: #include \"ivr/extensions.conf\"; then: dialplan reload",
        )  # fmt: skip
    elif listens.port and host.rpartition(":")[2] != str(listens.port):
        yield problem(
            "dialplan", f"it calls the service at {host or 'no address'}, which listens on port {listens.port}",
            f"IVR_HOST => {listens.host}:{listens.port} in /etc/asterisk/ivr/secret.conf; then: dialplan reload",
        )  # fmt: skip
    else:
        yield ok("dialplan", f"it calls the service at {host}")


def may_read_and_write(there: Attendance) -> Iterator[Finding]:
    """Whether Asterisk can play what lies in our folder and record into it, as its own user: it is asked to."""
    folder = there.site.folder
    takes = folder / "takes"
    if not takes.is_dir():
        yield warning("asterisk's rights", f"there is no {takes} yet", "start 'ivr serve' once")
        return
    name = f"doctor-{secrets.token_hex(8)}.wav"
    sample, taken = folder / name, takes / name
    try:
        with as_owner_of(folder):
            wav.write(sample, b"\0\0" * (A_MOMENT_MS * wav.SAMPLES_PER_MS))
            sample.chmod(0o640)
        said = there.ask(f'file convert "{sample}" "{taken}"')
        yield _told_of_rights(there, said, taken)
    except OSError as error:
        yield problem("asterisk's rights", f"{error}", f"make {folder} the service's: see 'data folder'")
    finally:
        _take_away(folder, sample, taken)


def _told_of_rights(there: Attendance, said: str, taken: Path) -> Finding:
    folder = there.site.folder
    group = folder.stat().st_gid
    join = f"put Asterisk's user into group {group}: usermod -aG '#{group}' asterisk"
    if "Unable to open input" in said:
        what = f"Asterisk cannot read {folder}: neither prompts nor messages are heard"
        return problem(
            "asterisk's rights",
            what,
            f"{join}, and restart it; it must see {folder} at this same path",
        )
    if "Unable to open output" in said:
        what = f"Asterisk cannot write into {taken.parent}: nobody can leave a message"
        return problem("asterisk's rights", what, f"chmod 2770 {taken.parent}; {join}, and restart it")
    if "Converted" not in said:
        what = f"Asterisk could not be asked to read and write: {said.strip().splitlines()[-1] if said else 'silence'}"
        return warning("asterisk's rights", what, "load res_convert: asterisk -rx 'module load res_convert.so'")
    with as_owner_of(folder):
        try:
            taken.read_bytes()
        except OSError as error:
            what = f"what Asterisk records, the service cannot read: {error.strerror}"
            return problem("asterisk's rights", what, f"chmod g+s {taken.parent}; umask = 007 in asterisk.conf")
    return ok("asterisk's rights", f"Asterisk reads {folder} and records into {taken.parent}")


def _take_away(folder: Path, *files: Path) -> None:
    with as_owner_of(folder), suppress(OSError):
        for file in files:
            file.unlink(missing_ok=True)


def prompts(there: Attendance) -> Iterator[Finding]:
    """Whether the dialplan's own apology can be heard when the service is down."""
    folder = there.variables.get("IVR_SOUNDS", "")
    heard = there.site.folder / "takes" / f"doctor-{secrets.token_hex(8)}.wav"
    if not heard.parent.is_dir():
        return
    said = there.ask(f'file convert "{folder}/{LATER}.wav" "{heard}"')
    _take_away(there.site.folder, heard)
    if "Unable to open input" in said:
        yield warning(
            "sounds", f"Asterisk cannot read {folder}/{LATER}.wav: while the service is down callers hear nothing",
            "IVR_SOUNDS => the folder sounds/en, in /etc/asterisk/ivr/secret.conf, where Asterisk may read it",
        )  # fmt: skip
    elif "Converted" in said:
        yield ok("sounds", f"Asterisk reads {folder}")


def endpoints(there: Attendance) -> Iterator[Finding]:
    """Whether each phone that opens a box without a PIN has to prove that it is that phone."""
    if there.site.census is None:
        return
    known = answers.endpoints(there.ask("pjsip show endpoints"))
    mapped = [e.name for e in there.site.census.endpoints if e.system == there.site.settings.asterisk.system]
    for name in mapped:
        if name not in known:
            yield warning(
                "endpoints", f"Asterisk has no PJSIP endpoint {name}",
                f"make it in pjsip.conf, or take it away: ivr endpoint remove {name}",
            )  # fmt: skip
        elif not known[name]:
            yield problem(
                "endpoints", f"{name} need not authenticate: it opens nothing without a PIN, as anybody can be it",
                f"auth = {name} in its section of pjsip.conf (asterisk-conf/pjsip.conf shows how)",
            )  # fmt: skip
    if all(known.get(name) for name in mapped):
        yield ok("endpoints", f"{len(mapped)} phones, all with auth")


def contexts(there: Attendance) -> Iterator[Finding]:
    """Whether the contexts that callers are let into hold exact extensions and bounded patterns only."""
    names = _contexts_of(there.site)
    for name, setting in names.items():
        reached = _reached_from(there, name)
        if not reached:
            yield problem(
                "contexts", f"{setting}: the dialplan has no context {name}",
                f"make [{name}] in extensions.conf, or empty the setting",
            )  # fmt: skip
        unbounded = [f"{pattern} in [{at}]" for at, patterns in reached.items() for pattern in patterns]
        if unbounded:
            yield problem(
                "contexts", f"{setting}: strangers can make this site call any number, through {', '.join(unbounded)}",
                "let it hold exact extensions or patterns of a fixed length only, such as _1XXX",
            )  # fmt: skip
        elif reached:
            yield ok("contexts", f"{setting}: [{name}] is bounded")


def _contexts_of(site: Installation) -> dict[str, str]:
    """Contexts that calls are sent to by a setting of the system or of an account, and which setting it is."""
    settings = [name for name in VoicemailSettings.model_fields if name.endswith("_context")]
    found = {getattr(site.settings.voicemail, name): f"[voicemail] {name}" for name in settings}
    for account in site.census.accounts if site.census else ():
        found |= {str(account.settings.get(name) or ""): f"account {account.name}, {name}" for name in settings}
    found.pop("", None)
    return found


def _reached_from(there: Attendance, name: str) -> dict[str, list[str]]:
    """The unbounded patterns of a context and of all that it takes in; empty where the context is not there."""
    found: dict[str, list[str]] = {}
    waiting = [name]
    while waiting and len(found) < CONTEXTS_FOLLOWED:
        at = waiting.pop()
        if at not in found and (text := _shown(there, at)):
            found[at] = [pattern for pattern in answers.extensions(text) if answers.is_unbounded(pattern)]
            waiting += answers.included(text)
    return found


def _shown(there: Attendance, context: str) -> str:
    """A context as the console shows it, "" where there is none."""
    text = there.ask(f"dialplan show {context}")
    return "" if "There is no existence of" in text else text
