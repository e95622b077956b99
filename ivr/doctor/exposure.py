"""What strangers could do through this dialplan: be somebody's phone, or call anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.doctor import answers
from ivr.doctor.attendance import Attendance
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation
from ivr.mailbox.system import VoicemailSettings

CONTEXTS_FOLLOWED = 200


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
        if at not in found and (text := there.context(at)):
            found[at] = [pattern for pattern in answers.extensions(text) if answers.is_unbounded(pattern)]
            waiting += answers.included(text)
    return found
