"""What only Asterisk can tell: what it is, whether it knows us, what it may do, and what it lets people do.

Everything is asked over its console, where nothing of it changes a setting.
"""

from __future__ import annotations

import hmac
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ivr.doctor import console_parsers
from ivr.doctor.asterisk_context import AsteriskContext
from ivr.doctor.console import ConsoleUnavailable
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation, run_as_owner_of
from ivr.doctor.permissions import check_fallback_prompt, check_permissions
from ivr.doctor.security import check_contexts, check_endpoints
from ivr.errors import StoreError
from ivr.paths import load_asterisk_secret

SUPPORTED_VERSION = 22
REQUIRED_MODULES = (
    "res_agi",
    "res_speech",
    "app_playback",
    "app_record",
    "app_read",
    "app_stack",
    "app_exec",
    "pbx_config",
    "func_global",
    "func_dialplan",
    "func_strings",
    "func_cut",
    "func_logic",
    "func_callerid",
    "func_pjsip_endpoint",
    "res_pjsip",
    "chan_pjsip",
    "format_wav",
    "codec_ulaw",
)
"""What a call needs (asterisk-conf/modules.conf)."""


REQUIRED_ARI_MODULES = ("res_ari_channels", "res_ari_events", "res_ari_playbacks", "app_stasis", "func_uri")
"""And what one needs that comes over ARI."""


def check_asterisk(installation: Installation) -> Iterator[Finding]:
    """All that Asterisk is asked for. Where it does not answer, that is the one thing that is wrong."""
    try:
        there = AsteriskContext(
            installation,
            console_parsers.parse_global_variables(installation.console.run_command("dialplan show globals")),
        )
        for check in ASTERISK_CHECKS:
            yield from check(there)
    except ConsoleUnavailable as error:
        yield problem(
            "asterisk",
            f"its console does not answer: {error}",
            "start Asterisk; run ivr doctor as root or in its group; [asterisk] console says how it is reached",
        )


def check_version(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether it is the Asterisk that ivr was built for."""
    found = console_parsers.parse_version(asterisk.run_command("core show version"))
    if found is None or found[0] < SUPPORTED_VERSION:
        told = f"Asterisk {found[1]}" if found else "an Asterisk whose version nobody can read"
        yield warning(
            "asterisk", f"{told}; ivr is tested on {SUPPORTED_VERSION}", f"install Asterisk {SUPPORTED_VERSION}"
        )
    else:
        yield ok("asterisk", f"Asterisk {found[1]}")


def check_modules(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether what a call needs is loaded."""
    running = console_parsers.parse_running_modules(asterisk.run_command("module show"))
    over_ari = asterisk.variables.get("IVR_TRANSPORT") == "ari"
    missing = [name for name in (*REQUIRED_MODULES, *(REQUIRED_ARI_MODULES if over_ari else ())) if name not in running]
    if missing:
        remedy = "load them in modules.conf (asterisk-conf/modules.conf lists them), then: "
        remedy += "; ".join(f"asterisk -rx 'module load {name}.so'" for name in missing[:3])
        yield problem("modules", f"not running: {', '.join(missing)}", remedy)
    else:
        yield ok("modules", f"all {len(REQUIRED_MODULES)} that are needed run")


def check_secret(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether Asterisk knows the secret by which the service knows it. Neither is ever shown."""
    settings, folder = asterisk.installation.settings, asterisk.installation.data_folder
    try:
        with run_as_owner_of(folder):
            if not settings.asterisk.secret and not (folder / "asterisk-secret").exists():
                yield problem("secret", f"there is no secret in {folder} yet", "start 'ivr serve' once: it makes one")
                return
            ours = load_asterisk_secret(settings)
    except (StoreError, OSError) as error:
        yield problem("secret", str(error), "run ivr doctor as the service's user, or as root")
        return
    told = asterisk.variables.get("IVR_SECRET", "")
    put = "put 'IVR_SECRET => ' and what the service's file asterisk-secret holds into /etc/asterisk/ivr/secret.conf"
    remedy = f"{put}, then: asterisk -rx 'dialplan reload'"
    if not told:
        yield problem("secret", "Asterisk has no IVR_SECRET: every box asks for its PIN", remedy)
    elif not hmac.compare_digest(told.encode(), ours.encode()):
        yield problem("secret", "Asterisk's IVR_SECRET is another than ours: every box asks for its PIN", remedy)
    else:
        yield ok("secret", "Asterisk and the service have the same one")


def check_dialplan(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether calls reach the service, or start a program of their own."""
    host, transport = asterisk.variables.get("IVR_FASTAGI_ADDRESS", ""), asterisk.variables.get("IVR_TRANSPORT")
    listens = asterisk.installation.settings.fastagi
    if not console_parsers.parse_extensions(asterisk.show_dialplan_context("ivr-check")):
        yield problem(
            "dialplan",
            "it has no context ivr-check",
            'last line of [globals] in extensions.conf: #include "ivr/extensions.conf"; then: dialplan reload',
        )
    elif wrong := _transport_problem(transport, asterisk):
        yield wrong
    elif transport not in ("agi", "ari") and listens.port and host.rpartition(":")[2] != str(listens.port):
        yield problem(
            "dialplan",
            f"it calls the service at {host or 'no address'}, which listens on port {listens.port}",
            f"IVR_FASTAGI_ADDRESS => {listens.host}:{listens.port} in /etc/asterisk/ivr/secret.conf; then: dialplan reload",
        )
    elif (takes := asterisk.variables.get("IVR_TAKES_FOLDER", "")) != str(asterisk.installation.data_folder / "takes"):
        yield problem(
            "dialplan",
            f"it records into {takes or 'no folder'} while the service is down, which nobody looks into",
            f"IVR_TAKES_FOLDER => {asterisk.installation.data_folder / 'takes'} in /etc/asterisk/ivr/secret.conf; then: dialplan reload",
        )
    else:
        ways = {"agi": "it starts ivr-agi for each call", "ari": "it calls the service over ARI"}
        yield ok("dialplan", ways.get(transport or "", f"it calls the service at {host}"))


NAMED_ACCOUNT = re.compile(r"IVR_ACCOUNT=\w|account=\w|@\w+[,)&]")
"""A line of a site's dialplan that says whose calls these are."""


def check_account(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether calls of trunks and of phones without a user belong to an account."""
    snapshot, name = asterisk.installation.snapshot, asterisk.variables.get("IVR_ACCOUNT", "")
    if snapshot is None:
        return
    accounts = snapshot.accounts
    names = ", ".join(account.name for account in accounts)
    remedy = f"IVR_ACCOUNT => one of {names}, in /etc/asterisk/ivr/secret.conf; then: asterisk -rx 'dialplan reload'"
    if not accounts:
        yield warning("account", "there is no account yet: every call is refused", "ivr account create NAME")
    elif name and not any(name in (account.id, account.name, account.realm) for account in accounts):
        yield problem(
            "account", f"IVR_ACCOUNT is {name!r}, which is no account: calls from outside are refused", remedy
        )
    elif not name and len(accounts) > 1 and not NAMED_ACCOUNT.search(asterisk.run_command("dialplan show")):
        yield warning(
            "account",
            f"there are several accounts ({names}), and the dialplan names none: calls from trunks are refused",
            "in the context of the trunk, in front of Gosub(ivr-leave,...): Set(IVR_ACCOUNT=NAME)",
        )
    else:
        yield ok(
            "account", f"calls from outside belong to {name or names}" if name or len(accounts) == 1 else "by dialplan"
        )


def _transport_problem(transport: str | None, asterisk: AsteriskContext) -> Finding | None:
    """What is wrong with the road that calls take; FastAGI needs no more than its address."""
    if transport == "ari":
        return _ari_problem(asterisk)
    return _agi_problem(asterisk) if transport == "agi" else None


def _ari_problem(asterisk: AsteriskContext) -> Finding | None:
    """Whether calls that come over ARI find this service."""
    ari, names = asterisk.installation.settings.ari, asterisk.variables.get("IVR_STASIS_APPS", "")
    if not ari.password:
        return problem(
            "dialplan",
            "calls are to come over ARI, which the service does not speak",
            "the password of ari.conf as [ari] password in ivr.toml; then restart ivr",
        )
    if ari.application not in names.split("&"):
        return problem(
            "dialplan",
            f"over ARI it calls {names or 'no service'}; this one is {ari.application}",
            f"IVR_STASIS_APPS => {ari.application} in /etc/asterisk/ivr/secret.conf; then: dialplan reload",
        )
    return None


def _agi_problem(asterisk: AsteriskContext) -> Finding | None:
    """Whether there is the program that is to be started; a name without a path is Asterisk's to find."""
    program = asterisk.variables.get("IVR_AGI_PROGRAM", "")
    if program.startswith("/") and not os.access(program, os.X_OK):
        ours = Path(sys.argv[0]).absolute().with_name("ivr-agi")
        return problem(
            "dialplan",
            f"it starts {program} for each call, which is no program",
            f"IVR_AGI_PROGRAM => {ours}, or a script that becomes its user (docs/dialplan.md); then: dialplan reload",
        )
    return None


ASTERISK_CHECKS = (
    check_version,
    check_modules,
    check_secret,
    check_dialplan,
    check_account,
    check_permissions,
    check_fallback_prompt,
    check_endpoints,
    check_contexts,
)
