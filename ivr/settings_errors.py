"""Describes invalid settings: which name or value is wrong, and which one may be meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ivr.errors import SettingsError
from ivr.mailbox.text_values import most_similar

Sections = Mapping[str, FieldInfo]
"""The sections of ivr.toml: fields of the model of the settings."""
SECRET_WORDS = ("password", "secret", "token")
"""Words in the names of settings whose values are secrets."""
WRONG_KEY = "[key]"
"""What pydantic adds to the path of a name that is wrong itself, such as the number of a distribution list."""
DOCUMENTED = "docs/settings.md lists all settings"


def describe_violation(violation: Any, sections: Sections) -> str:
    """Return a line for an error that pydantic has found in the settings."""
    path = tuple(part for part in violation["loc"] if part != WRONG_KEY)
    name = ".".join(map(str, path))
    if violation["type"] == "extra_forbidden":
        return f"  {name}: unknown setting; {_suggestion(path, sections)}{DOCUMENTED}"
    shown = "" if _may_be_secret(violation) else f" = {violation['input']!r}"
    if violation["type"] == "string_pattern_mismatch":  # The pattern itself tells an administrator little.
        return f"  {name}{shown}: not of the right form. {_description(path, sections)}"
    remedy = ': write it as ["FIRST", "SECOND"]' if violation["type"] == "list_type" else ""
    return f"  {name}{shown}: {violation['msg'].removeprefix('Value error, ')}{remedy}"


def _may_be_secret(violation: Any) -> bool:
    """Return whether a value must not be printed: the line ends up in logs. A whole section may have a secret in it."""
    name = ".".join(map(str, violation["loc"]))
    if violation["type"].startswith("bool_"):  # A switch, such as `api.token_in_query`, has no secret.
        return False
    return isinstance(violation["input"], Mapping) or name == "database.url" or any(w in name for w in SECRET_WORDS)


def misspelt_names(error: SettingsError, sections: Sections) -> list[tuple[str, str, str]]:
    """Return (section, unknown name, meant name) for each violation; [] if one of them is of another kind.

    `section`: "" if the name is that of a section.
    """
    invalid = error.__cause__
    found = [(one["type"], one["loc"]) for one in invalid.errors()] if isinstance(invalid, ValidationError) else []
    names = [(str(path[0]) if path[1:] else "", str(path[-1]), _meant_name(path, sections)) for _, path in found]
    is_misspelt = all(kind == "extra_forbidden" for kind, _ in found) and all(meant for _, _, meant in names)
    return names if is_misspelt else []


def _suggestion(path: Sequence[str | int], sections: Sections) -> str:
    """Return a hint at the section or setting that an unknown name of it resembles."""
    meant = _meant_name(path, sections)
    return f"did you mean {'.'.join([*map(str, path[:-1]), meant])}? " if meant else ""


def _meant_name(path: Sequence[str | int], sections: Sections) -> str:
    """Return the section or setting that an unknown name of it resembles; "" if there is none."""
    if len(path) == 1:
        return most_similar(str(path[0]), sections)
    section = sections.get(str(path[0]))
    known = getattr(section.annotation, "model_fields", {}) if section else {}
    return most_similar(str(path[-1]), known) if len(path) == 2 else ""


def _description(path: Sequence[str | int], sections: Sections) -> str:
    """Return the description of a setting; its path may lead on into the list that it holds."""
    section = sections[str(path[0])].annotation
    field = getattr(section, "model_fields", {}).get(str(path[1])) if len(path) > 1 else None
    return (field and field.description) or "docs/settings.md describes it"
