"""Names that a client misspelt: without a check, a setting or a folder would be ignored silently."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ivr.errors import InvalidFields
from ivr.validation.names import similar_key

MIN_LENGTH = 5
"""Clients have names of their own. A shorter one resembles too many of them; only its capitals may be wrong."""


def meant_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that an unknown one of a client stands for; None: there is none."""
    return similar_key(name, known, min_length=MIN_LENGTH)


def reject_misspelt_members(names: Iterable[str], known: Collection[str]) -> None:
    """Raise `InvalidFields` for a member of a document that is a misspelt known one."""
    names_meant = {name: meant for name in names if (meant := meant_name(name, known))}
    if names_meant:
        raise InvalidFields({name: misspelt("key", meant) for name, meant in names_meant.items()})


def misspelt(kind: str, meant: str) -> dict[str, dict[str, object]]:
    """Return the violation of a misspelt key or parameter."""
    return {"unknown": {"message": f"Unknown {kind}: did you mean {meant}?", "target": meant}}
