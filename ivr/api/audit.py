"""The audit log of REST requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi import Request

from ivr.api.auth import Principal, client_address, get_services, token_actor
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Actor, AuditAction, Door, Token

LINK_PROOF = "link"
EDGE_PROOF = "edge token"


async def record(
    request: Request, principal: Principal, action: AuditAction, box: Mailbox, subjects: Sequence[str] = ("",)
) -> None:
    """Record what a request with a token has done to a box."""
    await _record(request, token_actor(request, principal.token), action, box.account_id, box.id, subjects)


async def record_session(request: Request, action: AuditAction, token: Token) -> None:
    """Record that a session begins or ends."""
    await _record(request, token_actor(request, token), action, token.account_id, None, (token.id,))


def record_fetch(request: Request, box: Mailbox, message_id: str) -> None:
    """Record that the audio of a message is sent, to a token or to a link. A player that seeks sends many requests."""
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal:
        record_soon(request, principal, AuditAction.FETCHED, box, message_id)
        return
    _record_soon(
        request, Actor(Door.REST, "", client_address(request), LINK_PROOF), AuditAction.FETCHED, box, message_id
    )


def record_edge_upload(request: Request, box: Mailbox, message_id: str) -> None:
    """Record that a media edge has added a message. The response does not wait for the entry."""
    actor = Actor(Door.REST, "", client_address(request), EDGE_PROOF)
    _record_soon(request, actor, AuditAction.ADDED, box, message_id)


def record_soon(request: Request, principal: Principal, action: AuditAction, box: Mailbox, message_id: str) -> None:
    """Record what a request with a token has done to a message. The response does not wait for the entry."""
    _record_soon(request, token_actor(request, principal.token), action, box, message_id)


def _record_soon(request: Request, actor: Actor, action: AuditAction, box: Mailbox, message_id: str) -> None:
    get_services(request).audit_log.record_soon(
        actor, action, account_id=box.account_id, box_id=box.id, subject=message_id
    )


async def record_settings(request: Request, principal: Principal, box: Mailbox, names: Iterable[str]) -> None:
    """Record which settings of a box were set. The PIN is an action of its own."""
    settings = sorted(names)
    if "pin" in settings:
        await record(request, principal, AuditAction.PIN_SET, box)
    if other := [name for name in settings if name != "pin"]:
        await record(request, principal, AuditAction.SETTINGS_CHANGED, box, (", ".join(other),))


async def _record(
    request: Request, actor: Actor, action: AuditAction, account_id: str, box_id: str | None, subjects: Sequence[str]
) -> None:
    if subjects:
        await get_services(request).audit_log.record(
            actor, action, account_id=account_id, box_id=box_id, subjects=subjects
        )
