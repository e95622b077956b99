"""Whether Asterisk's manager lets us in: message lights and calls to owners go through it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ivr.ami.client import DEFAULT_TIMING, AmiClient, AmiTiming
from ivr.ami.settings import AmiSettings
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput

REQUIRED_ACTIONS = ("Originate", "Status")
"""Lights and calls to owners; whether a channel is still there."""


def check_ami(installation: Installation, timing: AmiTiming = DEFAULT_TIMING) -> Iterator[Finding]:
    """Log in by the service's own client, and off again."""
    if not installation.settings.ami.secret:
        yield warning(
            "AMI",
            "not configured: no message lights, and nobody is called about new messages",
            "take asterisk-conf/manager.conf in, and put its user and secret into [ami] of ivr.toml",
        )
        return
    yield asyncio.run(_check_login(installation.settings.ami, timing))


async def _check_login(settings: AmiSettings, timing: AmiTiming) -> Finding:
    at, client = f"{settings.host}:{settings.port}", AmiClient(settings, timing=timing)
    section = f"[{settings.user}] in manager.conf"
    try:
        await client.check_login()
    except BadInput:
        what = "its user or secret has a line break in it, or is too long"
        return problem("AMI", what, "write both on one line in [ami] of ivr.toml")
    except AmiActionRejected:
        remedy = f"the secret of {section} must be that of [ami] in ivr.toml, and permit our address"
        return problem("AMI", f"Asterisk's manager at {at} refuses the user {settings.user}", remedy)
    except AmiUnavailable as error:
        remedy = f"see host and port of [ami]; and permit our address to {section}"
        return problem("AMI", f"what answers at {at} is not Asterisk's manager, or hangs: {error}", remedy)
    except OSError as error:
        remedy = "enabled = yes, bindaddr and port in manager.conf; then: asterisk -rx 'manager reload'"
        return problem("AMI", f"nothing answers at {at}: {str(error) or 'no connection in time'}", remedy)
    if missing := [action for action in REQUIRED_ACTIONS if not client.supports(action)]:
        remedy = f"write = originate,call,message,reporting for {section}; then: asterisk -rx 'manager reload'"
        return problem("AMI", f"{settings.user} is let in at {at}, but may not {' or '.join(missing)}", remedy)
    return ok("AMI", f"{settings.user} is let in at {at}")
