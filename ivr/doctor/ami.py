"""Check of the AMI connection, which message lights and calls to owners need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ivr.ami.client import DEFAULT_TIMING, AmiClient, AmiTiming
from ivr.ami.settings import AmiSettings
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput

REQUIRED_ACTIONS = ("Originate", "Status")
"""Originate: message lights and calls to owners. Status: whether a channel still exists."""


def check_ami(installation: Installation, timing: AmiTiming = DEFAULT_TIMING) -> Iterator[Finding]:
    """Check that the service's client can log in to Asterisk's manager, with the actions that it needs."""
    if not installation.settings.ami.secret:
        yield warning(
            "AMI",
            "not configured: phones have no message lights, and owners are not called about new messages",
            "include asterisk-conf/manager.conf, and set its user and secret in [ami] of ivr.toml",
        )
        return
    yield asyncio.run(_check_login(installation.settings.ami, timing))


async def _check_login(settings: AmiSettings, timing: AmiTiming) -> Finding:
    address, client = f"{settings.host}:{settings.port}", AmiClient(settings, timing=timing)
    section = f"[{settings.user}] in manager.conf"
    try:
        await client.check_login()
    except BadInput:
        what = "the user or the secret contains a line break or is too long"
        return problem("AMI", what, "write each on one line in [ami] of ivr.toml")
    except AmiActionRejected:
        remedy = f"the secret of {section} must be that of [ami] in ivr.toml, and its permit= must allow our address"
        return problem("AMI", f"Asterisk's manager at {address} rejects the user {settings.user}", remedy)
    except AmiUnavailable as error:
        remedy = f"check host and port in [ami] of ivr.toml, and permit= in {section}"
        what = f"{address} is not Asterisk's manager, or does not respond: {error}"
        return problem("AMI", what, remedy)
    except OSError as error:
        remedy = "set enabled = yes, bindaddr and port in manager.conf; then: asterisk -rx 'manager reload'"
        what = f"no connection to {address}: {str(error) or 'timeout'}"
        return problem("AMI", what, remedy)
    if missing := [action for action in REQUIRED_ACTIONS if not client.supports(action)]:
        remedy = f"set write = originate,call,message,reporting in {section}; then: asterisk -rx 'manager reload'"
        what = f"{settings.user} can log in at {address}, but may not use {' or '.join(missing)}"
        return problem("AMI", what, remedy)
    return ok("AMI", f"{settings.user} can log in at {address}")
