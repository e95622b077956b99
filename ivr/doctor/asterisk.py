"""Checks that need a running Asterisk: version, modules, secret, dialplan and account.

All of them read over its console; none changes a setting.
"""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ivr.asterisk_secret import AsteriskSecret
from ivr.doctor import console
from ivr.doctor.console import ConsoleUnavailable
from ivr.doctor.dialplan_lines import check_arguments, names_account
from ivr.doctor.installation import Installation, RunningAsterisk
from ivr.doctor.permissions import check_fallback_prompt, check_permissions
from ivr.doctor.security import check_contexts, check_endpoints
from ivr.doctor.settings_file import edit_command
from ivr.doctor.versions import check_dialplan_version
from ivr.errors import StoreError, describe_error
from ivr.health.finding import EDITOR, RUN_AS_ROOT, START, Finding, ok, problem, quoted, warning
from ivr.paths import load_asterisk_secret
from ivr.storage.data_folder import state_folder
from ivr.storage.files import run_as_owner_of
from ivr.validation.networks import format_address, local_host, parse_address

SUPPORTED_VERSION = 22
SECRET_CONF = "in /etc/asterisk/ivr/secret.conf"
RELOAD_DIALPLAN = "asterisk -rx 'dialplan reload'"
INCLUDE_DIALPLAN = (
    "f=/etc/asterisk/extensions.conf; "
    "grep -qi '^\\s*\\[globals\\]' \"$f\" || printf '\\n[globals]\\n' >>\"$f\"; "
    'grep -Eqi \'^\\s*#(try)?include[ "<]+(/etc/asterisk/)?ivr/extensions.conf\' "$f" || sed -i'
    r""" '0,/^\s*\[globals\]/Is|^\s*\[globals\].*|&\n#include "ivr/extensions.conf"|I'"""
    f' "$f"; {RELOAD_DIALPLAN}'
)
SECRET_FILE = "/etc/asterisk/ivr/secret.conf"
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
    "func_sha1",
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
"""Modules that every call needs (asterisk-conf/modules.conf)."""
REQUIRED_ARI_MODULES = ("res_ari_channels", "res_ari_events", "res_ari_playbacks", "app_stasis", "func_uri")
"""Modules that calls over ARI need in addition."""


def set_global_command(name: str, value: str) -> str:
    """Return the command that sets a global variable of the dialplan. The shell expands `$(...)` in `value`."""
    return f"sed -i '/^ *{name} *=>/d' {SECRET_FILE} && echo \"{name} => {value}\" >>{SECRET_FILE} && {RELOAD_DIALPLAN}"


def check_asterisk(installation: Installation) -> Iterator[Finding]:
    """Run the checks that need a running Asterisk. If its console does not reply, this is the only finding."""
    try:
        global_variables = installation.console.run_command("dialplan show globals")
        asterisk = RunningAsterisk(installation, console.parse_global_variables(global_variables))
        for check in ASTERISK_CHECKS:
            yield from check(asterisk)
    except ConsoleUnavailable as error:
        yield problem(
            "asterisk",
            f"its console does not reply: {error}",
            "start Asterisk; run ivr doctor as root or in its group; check console_command in [asterisk] of ivr.toml",
            command="systemctl start asterisk",
        )


def check_version(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check the version of Asterisk."""
    version = console.parse_version(asterisk.run_command("core show version"))
    if version is None or version[0] < SUPPORTED_VERSION:
        name = f"Asterisk {version[1]}" if version else "an Asterisk of unknown version"
        what = f"{name}; ivr is tested with version {SUPPORTED_VERSION}"
        command = "apt install asterisk/SUITE && ivr install && systemctl restart asterisk ivr"
        remedy = (
            f"install Asterisk {SUPPORTED_VERSION}, from the SUITE of your sources that has it (apt-cache madison"
            " asterisk lists them); if none has, as Debian 12 and 13, build it (docs/install.md)"
        )
        yield warning("asterisk", what, remedy, command=command, fill_in=("SUITE",))
    else:
        yield ok("asterisk", f"Asterisk {version[1]}")


def check_modules(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that the modules that calls need are running."""
    running = console.parse_running_modules(asterisk.run_command("module show"))
    uses_ari = asterisk.variables.get("IVR_TRANSPORT") == "ari"
    required = (*REQUIRED_MODULES, *REQUIRED_ARI_MODULES) if uses_ari else REQUIRED_MODULES
    missing = [name for name in required if name not in running]
    if missing:
        command = "; ".join(f"asterisk -rx 'module load {name}.so'" for name in missing)
        remedy = f"load them in modules.conf (asterisk-conf/modules.conf lists them), then: {command}"
        yield problem("modules", f"not running: {', '.join(missing)}", remedy, command=command)
    else:
        yield ok("modules", f"all {len(required)} required modules are running")


def check_secret(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that Asterisk has the secret by which the service recognises it. No secret is ever printed."""
    settings, folder = asterisk.installation.settings, asterisk.installation.data_folder
    file = state_folder(folder) / "asterisk-secret"
    try:
        with run_as_owner_of(folder):
            if not settings.asterisk.secret and not file.exists():
                yield problem(
                    "secret",
                    f"{folder} contains no secret yet",
                    "start the service: it creates the secret",
                    command=START,
                )
                return
            ours = load_asterisk_secret(settings)
    except (StoreError, OSError) as error:
        yield problem("secret", describe_error(error), command=RUN_AS_ROOT)
        return
    theirs = asterisk.variables.get("IVR_SECRET", "")
    remedy = (
        f"write 'IVR_SECRET => ' and the content of {file} into /etc/asterisk/ivr/secret.conf;"
        " then: asterisk -rx 'dialplan reload'"
    )
    command = set_global_command("IVR_SECRET", f"$(cat {quoted(file)})")
    if settings.asterisk.secret:
        remedy = f"write 'IVR_SECRET => ' and the secret of [asterisk] of ivr.toml into {SECRET_FILE}"
        command = f"{EDITOR} {SECRET_FILE} && {RELOAD_DIALPLAN}"
    if not theirs:
        what = "Asterisk has no IVR_SECRET: every box asks for its PIN"
        yield problem("secret", what, remedy, command=command)
    elif not hmac.compare_digest(theirs.encode(), ours.encode()):
        if theirs in AsteriskSecret(settings, asterisk.installation.host.clock).accepted():
            what = "Asterisk has the former IVR_SECRET, which is accepted only for a while"
            yield warning("secret", what, remedy, command=command)
            return
        what = "IVR_SECRET differs between Asterisk and the service: every box asks for its PIN"
        yield problem("secret", what, remedy, command=command)
    else:
        yield ok("secret", "the same in Asterisk and in the service")


def check_dialplan(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that the dialplan is loaded, reaches the service, and records fallback recordings where they are found."""
    transport = asterisk.variables.get("IVR_TRANSPORT")
    if not asterisk.read_context("ivr-check"):
        yield problem(
            "dialplan",
            "the context ivr-check does not exist",
            'add to [globals] in extensions.conf, at its end: #include "ivr/extensions.conf"; then: ' + RELOAD_DIALPLAN,
            command=INCLUDE_DIALPLAN,
        )
    elif transport_problem := _transport_problem(transport, asterisk):
        yield transport_problem
    elif takes_problem := _takes_folder_problem(asterisk):
        yield takes_problem
    else:
        address = asterisk.variables.get("IVR_FASTAGI_ADDRESS", "")
        transports = {"agi": "it starts ivr-agi for each call", "ari": "it calls the service over ARI"}
        yield ok("dialplan", transports.get(transport or "", f"it calls the service at {address}"))


def check_account(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that calls of trunks and of phones without a user belong to an account."""
    snapshot, name = asterisk.installation.snapshot, asterisk.variables.get("IVR_ACCOUNT", "")
    if snapshot is None:
        return
    accounts = snapshot.accounts
    names = ", ".join(account.name for account in accounts)
    remedy = f"{SECRET_CONF}: IVR_ACCOUNT => one of {names}; then: {RELOAD_DIALPLAN}"
    if not accounts:
        what, remedy = "there is no account yet: every call is rejected", "create one, of a NAME of yours"
        yield warning("account", what, remedy, command="ivr account create NAME", fill_in=("NAME",))
    elif name and not any(name in (account.id, account.name, account.realm) for account in accounts):
        what = f"IVR_ACCOUNT is {name!r}, and no account has this name: calls from outside are rejected"
        meant, fill_in = (accounts[0].name, ()) if len(accounts) == 1 else ("NAME", ("NAME",))
        remedy = f"let calls from outside belong to NAME, one of {names}" if fill_in else remedy
        yield problem("account", what, remedy, command=set_global_command("IVR_ACCOUNT", meant), fill_in=fill_in)
    elif not name and len(accounts) > 1 and not names_account(asterisk.read_dialplan()):
        yield warning(
            "account",
            f"there are several accounts ({names}), and the dialplan names none: calls from trunks are rejected",
            "in the context of each trunk, before Gosub(ivr-leave,...): Set(IVR_ACCOUNT=NAME); or let all calls from"
            f" outside belong to NAME, one of {names}",
            command=set_global_command("IVR_ACCOUNT", "NAME"),
            fill_in=("NAME",),
        )
    else:
        is_fixed = name or len(accounts) == 1
        yield ok("account", f"calls from outside belong to {name or names}" if is_fixed else "set by the dialplan")


def _transport_problem(transport: str | None, asterisk: RunningAsterisk) -> Finding | None:
    """Return what keeps calls from the service over the transport of the dialplan."""
    match transport:
        case "ari":
            return _ari_problem(asterisk)
        case "agi":
            return _agi_problem(asterisk)
        case _:
            return _fastagi_problem(asterisk)


def _fastagi_problem(asterisk: RunningAsterisk) -> Finding | None:
    address, fastagi = asterisk.variables.get("IVR_FASTAGI_ADDRESS", ""), asterisk.installation.settings.fastagi
    host, _, port = address.rpartition(":")
    if not fastagi.port or (port == str(fastagi.port) and _may_reach(host.strip("[]"), fastagi.host)):
        return None
    right = format_address(local_host(fastagi.host), fastagi.port)
    return problem(
        "dialplan",
        f"it calls the service at {address or 'no address'}, but the service listens at {right}",
        f"{SECRET_CONF}: IVR_FASTAGI_ADDRESS => {right}; then: {RELOAD_DIALPLAN}",
        command=set_global_command("IVR_FASTAGI_ADDRESS", right),
    )


def _may_reach(host: str, listening: str) -> bool:
    """Return whether a call to `host` may reach who listens at `listening`. A name may stand for any address."""
    called, held = parse_address(host), parse_address(listening)
    if not called or not held or called == held:
        return True
    return held.is_unspecified and called.version == held.version


def _ari_problem(asterisk: RunningAsterisk) -> Finding | None:
    ari, applications = asterisk.installation.settings.ari, asterisk.variables.get("IVR_STASIS_APPS", "")
    if not ari.password:
        return problem(
            "dialplan",
            "it sends calls over ARI, but the service has no ARI password",
            "set password in [ari] of ivr.toml to that of ari.conf; then: systemctl restart ivr",
            command=edit_command(asterisk.installation.config_file, "ari", "password"),
        )
    if ari.application not in applications.split("&"):
        return problem(
            "dialplan",
            f"over ARI it calls {applications or 'no service'}, but this service is {ari.application}",
            f"{SECRET_CONF}: IVR_STASIS_APPS => {ari.application}; then: {RELOAD_DIALPLAN}",
            command=set_global_command("IVR_STASIS_APPS", ari.application),
        )
    return None


def _agi_problem(asterisk: RunningAsterisk) -> Finding | None:
    """Return a finding if the AGI program cannot be started. A name without a path is found by Asterisk."""
    program = asterisk.variables.get("IVR_AGI_PROGRAM", "")
    if not program.startswith("/") or os.access(program, os.X_OK):
        return None
    installed = Path(sys.argv[0]).absolute().with_name("ivr-agi")
    return problem(
        "dialplan",
        f"it starts {program} for each call, which is not an executable file",
        f"{SECRET_CONF}: IVR_AGI_PROGRAM => {installed}, or a script that runs it as the user of the service"
        f" (docs/dialplan.md); then: {RELOAD_DIALPLAN}",
        command=set_global_command("IVR_AGI_PROGRAM", str(installed)),
    )


def _takes_folder_problem(asterisk: RunningAsterisk) -> Finding | None:
    folder, takes = asterisk.variables.get("IVR_TAKES_FOLDER", ""), asterisk.installation.takes_folder
    if folder == str(takes):
        return None
    return problem(
        "dialplan",
        f"while the service is down it records to {folder or 'no folder'}, where the service finds nothing",
        f"{SECRET_CONF}: IVR_TAKES_FOLDER => {takes}; then: {RELOAD_DIALPLAN}",
        command=set_global_command("IVR_TAKES_FOLDER", str(takes)),
    )


ASTERISK_CHECKS = (
    check_version,
    check_modules,
    check_secret,
    check_dialplan,
    check_dialplan_version,
    check_account,
    check_arguments,
    check_permissions,
    check_fallback_prompt,
    check_endpoints,
    check_contexts,
)
