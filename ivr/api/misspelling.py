"""Names that a client misspelt: without a check, a setting or a folder would be ignored silently."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ivr.errors import InvalidFields
from ivr.mailbox.text_values import is_one_letter_off

MIN_LENGTH = 5
"""A shorter name resembles too many others; only its capitals may be wrong."""


def meant_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from an unknown one by a letter, or by capitals; None: there is none."""
    small, alike = name.lower(), None
    for one in known:
        if name == one:
            return None
        if alike is None and abs(len(small) - len(one)) <= 1 and (small == one.lower() or _is_near(small, one)):
            alike = one
    return alike


def _is_near(name: str, known: str) -> bool:
    same_end = name[:1] == known[:1] or name[-1:] == known[-1:]  # Else two letters differ. It costs less.
    return same_end and len(known) >= MIN_LENGTH and is_one_letter_off(name, known)


def reject_misspelt_members(names: Iterable[str], known: Collection[str]) -> None:
    """Raise `InvalidFields` for a member of a document that is a misspelt known one."""
    names_meant = {name: meant for name in names if (meant := meant_name(name, known))}
    if names_meant:
        raise InvalidFields({name: misspelt("key", meant) for name, meant in names_meant.items()})


def misspelt(kind: str, meant: str) -> dict[str, dict[str, object]]:
    """Return the violation of a misspelt key or parameter."""
    return {"unknown": {"message": f"Unknown {kind}: did you mean {meant}?", "target": meant}}
