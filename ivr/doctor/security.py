"""Checks against abuse: phones without authentication, and contexts that permit calls to any number."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence

from ivr.doctor import console
from ivr.doctor.installation import Installation, RunningAsterisk
from ivr.doctor.settings_file import unset_command
from ivr.health.finding import Finding, ok, problem, warning
from ivr.mailbox.voicemail_settings import VoicemailSettings

PJSIP_CONF = "/etc/asterisk/pjsip.conf"
MAX_CONTEXTS = 200
MANY_OPEN_DIGITS = 6
"""Patterns with so many are hardly those of the site's own phones."""


def check_endpoints(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that every phone of a user has to authenticate, since it opens boxes without a PIN."""
    if asterisk.installation.snapshot is None:
        return
    known = console.parse_endpoints(asterisk.run_command("pjsip show endpoints"))
    assigned = [
        e.name
        for e in asterisk.installation.snapshot.endpoints
        if e.system == asterisk.installation.settings.asterisk.system_name
    ]
    for name in assigned:
        if name not in known:
            yield warning(
                "endpoints",
                f"Asterisk has no PJSIP endpoint {name}",
                f"add it to pjsip.conf, or remove the assignment: ivr endpoint remove {name}",
                command=f"ivr endpoint remove {shlex.quote(name)} --yes",
            )
        elif not known[name]:
            yield problem(
                "endpoints",
                f"{name} does not authenticate, so any phone could use its name: boxes ask it for their PIN",
                f"in pjsip.conf, set auth = {name} in [{name}] and add a section [{name}] with type = auth, username"
                " and password (example: asterisk-conf/pjsip.conf), which is the PASSWORD of the phone too",
                command=_add_authentication_command(name),
                fill_in=("PASSWORD",),
            )
    if all(known.get(name) for name in assigned):
        yield ok("endpoints", f"{len(assigned)} phones, all authenticate")


def _add_authentication_command(name: str) -> str:
    """Return the command that gives a phone in pjsip.conf a user name and a password.

    sed holds the last header of a section: other sections, such as the AOR, have the same name as the endpoint.
    """
    header = re.sub(r"([.*\[\]/\\])", r"\\\1", name)
    edit = rf"/^ *\[/h; /^ *type *= *endpoint/{{G; /\n *\[{header}\]/!s/\n.*//; s/\n.*/\nauth = {name}/}}"
    section = rf"\n[{name}]\ntype = auth\nauth_type = userpass\nusername = {name}\npassword = PASSWORD\n"
    return (
        f"sed -i '{edit}' {PJSIP_CONF} && printf '{section}' >>{PJSIP_CONF} &&"
        " asterisk -rx 'module reload res_pjsip.so'"
    )


def check_contexts(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that contexts in which callers can dial contain exact extensions and bounded patterns only."""
    for name, setting in _configured_contexts(asterisk.installation).items():
        patterns_by_context = _patterns(asterisk, name)
        if not patterns_by_context:
            yield problem(
                "contexts",
                f"{setting}: the dialplan has no context {name}",
                f"add [{name}] to extensions.conf, or clear the setting",
                command=_clear_command(asterisk.installation, setting),
            )
        unbounded = _matching(patterns_by_context, console.is_unbounded)
        wide = _matching(patterns_by_context, lambda pattern: console.open_digits(pattern) >= MANY_OPEN_DIGITS)
        if unbounded:
            yield problem(
                "contexts",
                f"{setting}: callers can dial any number through {', '.join(unbounded)}",
                "use exact extensions and patterns of a fixed length only, such as _1XXX; clear the setting until then",
                command=_clear_command(asterisk.installation, setting),
            )
        elif wide:
            yield warning(
                "contexts",
                f"{setting}: a million numbers or more can be dialled through {', '.join(wide)}",
                "make sure that calls to them cost nothing, as to premium-rate numbers they would, or use narrower"
                " patterns; clear the setting until then",
                command=_clear_command(asterisk.installation, setting),
            )
        elif patterns_by_context:
            yield ok("contexts", f"{setting}: [{name}] has no unbounded pattern")


def _matching(patterns_by_context: Mapping[str, Sequence[str]], is_found: Callable[[str], bool]) -> list[str]:
    return [
        f"{pattern} in [{context}]"
        for context, patterns in patterns_by_context.items()
        for pattern in patterns
        if is_found(pattern)
    ]


_OF_ACCOUNT = re.compile(r"account (.+), (\w+)")


def _configured_contexts(installation: Installation) -> dict[str, str]:
    """Return the contexts named by settings of the system and of accounts, each with its setting."""
    settings = [name for name in VoicemailSettings.model_fields if name.endswith("_context")]
    found = {getattr(installation.settings.voicemail, name): f"[voicemail] {name}" for name in settings}
    for account in installation.snapshot.accounts if installation.snapshot else ():
        found |= {str(account.settings.get(name) or ""): f"account {account.name}, {name}" for name in settings}
    found.setdefault(installation.settings.notifications.call_context, "[notifications] call_context")
    found.pop("", None)
    return found


def _clear_command(installation: Installation, setting: str) -> str:
    """Return the command that clears a setting, as `_configured_contexts` names it."""
    if account := _OF_ACCOUNT.fullmatch(setting):
        return f"ivr account set {shlex.quote(account[1])} settings.{account[2]}=null"
    section, key = setting.removeprefix("[").split("] ")
    return unset_command(installation.config_file, section, key)


def _patterns(asterisk: RunningAsterisk, name: str) -> dict[str, list[str]]:
    """Return the extensions and patterns of a context and of all that it includes; {} if it does not exist."""
    found: dict[str, list[str]] = {}
    pending = [name]
    while pending and len(found) < MAX_CONTEXTS:
        context = pending.pop()
        if context not in found and (shown := asterisk.read_context(context)):
            found[context] = shown.extensions
            pending += shown.includes
    return found
