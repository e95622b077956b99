"""The users of a mailbox, as its stored settings name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def member_id(member: Any) -> str:
    """Return the user id of an entry of `members`, which is an id or an object with one."""
    return str(member["id"]) if isinstance(member, dict) and "id" in member else str(member)


def member_ids(settings: Mapping[str, Any]) -> list[str]:
    """Return the users who share a mailbox; none unless it is shared."""
    return [member_id(member) for member in settings.get("members") or ()] if settings.get("shared_vmbox") else []


def user_ids(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the owner of a mailbox and the users who share it."""
    owner_id = settings.get("owner_id")
    return tuple(dict.fromkeys([*([str(owner_id)] if owner_id else []), *member_ids(settings)]))
