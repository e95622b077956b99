"""What strangers could do through this dialplan: be somebody's phone, or call anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.doctor import console_parsers
from ivr.doctor.asterisk_context import AsteriskContext
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation
from ivr.mailbox.voicemail_settings import VoicemailSettings

MAX_CONTEXTS = 200


def check_endpoints(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether each phone that opens a box without a PIN has to prove that it is that phone."""
    if asterisk.installation.snapshot is None:
        return
    known = console_parsers.parse_endpoints(asterisk.run_command("pjsip show endpoints"))
    mapped = [
        e.name
        for e in asterisk.installation.snapshot.endpoints
        if e.system == asterisk.installation.settings.asterisk.system_name
    ]
    for name in mapped:
        if name not in known:
            yield warning(
                "endpoints",
                f"Asterisk has no PJSIP endpoint {name}",
                f"make it in pjsip.conf, or take it away: ivr endpoint remove {name}",
            )
        elif not known[name]:
            yield problem(
                "endpoints",
                f"{name} need not authenticate: it opens nothing without a PIN, as anybody can be it",
                f"auth = {name} in its section of pjsip.conf (asterisk-conf/pjsip.conf shows how)",
            )
    if all(known.get(name) for name in mapped):
        yield ok("endpoints", f"{len(mapped)} phones, all with auth")


def check_contexts(asterisk: AsteriskContext) -> Iterator[Finding]:
    """Whether the contexts that callers are let into hold exact extensions and bounded patterns only."""
    names = _configured_contexts(asterisk.installation)
    for name, setting in names.items():
        reached = _unbounded_patterns(asterisk, name)
        if not reached:
            yield problem(
                "contexts",
                f"{setting}: the dialplan has no context {name}",
                f"make [{name}] in extensions.conf, or empty the setting",
            )
        unbounded = [f"{pattern} in [{at}]" for at, patterns in reached.items() for pattern in patterns]
        if unbounded:
            yield problem(
                "contexts",
                f"{setting}: strangers can make this site call any number, through {', '.join(unbounded)}",
                "let it hold exact extensions or patterns of a fixed length only, such as _1XXX",
            )
        elif reached:
            yield ok("contexts", f"{setting}: [{name}] is bounded")


def _configured_contexts(installation: Installation) -> dict[str, str]:
    """Contexts that calls are sent to by a setting of the system or of an account, and which setting it is."""
    settings = [name for name in VoicemailSettings.model_fields if name.endswith("_context")]
    found = {getattr(installation.settings.voicemail, name): f"[voicemail] {name}" for name in settings}
    for account in installation.snapshot.accounts if installation.snapshot else ():
        found |= {str(account.settings.get(name) or ""): f"account {account.name}, {name}" for name in settings}
    found.pop("", None)
    return found


def _unbounded_patterns(asterisk: AsteriskContext, name: str) -> dict[str, list[str]]:
    """The unbounded patterns of a context and of all that it takes in; empty where the context is not there."""
    found: dict[str, list[str]] = {}
    waiting = [name]
    while waiting and len(found) < MAX_CONTEXTS:
        at = waiting.pop()
        if at not in found and (text := asterisk.show_dialplan_context(at)):
            found[at] = [
                pattern for pattern in console_parsers.parse_extensions(text) if console_parsers.is_unbounded(pattern)
            ]
            waiting += console_parsers.parse_includes(text)
    return found
