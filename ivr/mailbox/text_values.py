"""Documents that are written as text: `key=value` arguments, cells of a table, scalars of YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from ivr.directory.models import Account, User
from ivr.directory.settings import AccountSettings, UserSettings
from ivr.errors import BadInput
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.validation.names import similar_key

TEXT_KEYS = ("pin", "mailbox", "operator_number", "number", "voicemail_id")
"""Values of these keys, and of the key map, are text even if they look like numbers: "0042" is not 42."""
ASSIGNED_KEYS = ("id", "account_id", "revision")
"""Keys of an account or a user that only ivr gives."""
_SEPARATORS = re.compile(r"[\s,;]+")


def parse_assignments(assignments: Iterable[str], given: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return `key=value` arguments as a document. Raises `BadInput`, also for a key that is given twice.

    A value of a key that holds text is text; any other is read as JSON if it is JSON. A dot in a key leads into an
    object. `given`: keys that another argument or option of the command gives, with its name; these too are given once.
    """
    document: dict[str, Any] = {}
    sources = dict(given)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise BadInput(f"{assignment!r} is not an assignment: write key=value")
        for other, source in sources.items():
            if f"{other}.".startswith(f"{key}.") or f"{key}.".startswith(f"{other}."):
                raise BadInput(f"{key} is given twice, by {source} and by {key}=: leave one of them out")
        sources[key] = f"{key}="
        path = key.split(".")
        set_at_path(document, path, parse_value(path, value))
    return document


def set_at_path(document: dict[str, Any], path: Sequence[str], value: object) -> None:
    """Set a value in nested objects, which are created. Raises `BadInput` if a part of the path is no object."""
    parent = document
    for name in path[:-1]:
        parent = parent.setdefault(name, {})
        if not isinstance(parent, dict):
            raise BadInput(f"{'.'.join(path)} contradicts {name}: give only one of them")
    parent[path[-1]] = value


def parse_value(path: Sequence[str], text: str) -> Any:
    """Return the value of a key: text or a list for keys that hold one, else JSON if it is JSON.

    Text is kept as it is written: the pattern `[5]` is no list, and the name 1.50 is no number. `null` is None, and
    text between double quotes is a JSON string. Items of a list are separated by blanks, commas or semicolons.
    """
    if "keys" in path or path[-1] in TEXT_KEYS:
        return None if text == "null" else text
    if _holds_text(path) and text != "null" and not text.startswith('"'):
        return text
    if holds_list(path) and text != "null" and not text.lstrip().startswith("["):
        return split_list(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # Also numbers of thousands of digits, and thousands of brackets.
        return text


def split_list(text: str) -> list[str]:
    """Return the items of a text such as `alice-desk, alice-mobile`."""
    return [item for item in _SEPARATORS.split(text) if item]


class VariablesSource(EnvSettingsSource):
    """Environment variables as the values of settings. Items of a list are separated as in the values of commands."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            decoded = super().decode_complex_value(field_name, field, value)
        except ValueError:
            decoded = value  # Its validation says which setting it is, and what is wrong.
        is_list = get_origin(_without_metadata(field.annotation)) is list if field else False
        return split_list(value) if is_list and not isinstance(decoded, list) else decoded


def reject_unknown_keys(document: Mapping[str, Any], model: type[BaseModel], *more_keys: str, path: str = "") -> None:
    """Raise `BadInput` for a key that is no field of `model` and none of `more_keys`, also in nested models.

    Most documents may have keys of their own, so a command stores such a key only if it is forced to.
    """
    known = [*model.model_fields, *more_keys]
    is_closed = model.model_config.get("extra") == "forbid"
    settable = ", ".join(key for key in known if key not in ASSIGNED_KEYS)
    remedy = f"the keys are {settable}" if is_closed else "--force stores it all the same"
    for key, value in document.items():
        if key not in known:
            raise BadInput(f"unknown key {path}{key}: {suggest(key, known, path=path)}{remedy}")
        nested = nested_model(model.model_fields[key].annotation) if key in model.model_fields else None
        if nested and isinstance(value, Mapping):
            reject_unknown_keys(value, nested, path=f"{path}{key}.")


def reject_assigned_keys(document: Mapping[str, Any]) -> None:
    """Raise `BadInput` for a key of an account or a user that ivr gives: another id is another object."""
    if assigned := [key for key in ASSIGNED_KEYS if key in document]:
        raise BadInput(f"{assigned[0]} cannot be set: ivr gives it")


def reject_unknown_settings(document: Mapping[str, Any], model: type[Account] | type[User]) -> None:
    """Raise `BadInput` for an unknown key in the document of an account or a user.

    `settings` may have keys of the site, so there one is rejected if it differs from a known one by a letter. Those of
    an account are known but for the keys of its parts.
    """
    reject_unknown_keys(document, model)
    settings = document.get("settings")
    if not isinstance(settings, Mapping):
        return
    known = AccountSettings if model is Account else UserSettings
    if model is Account:
        reject_unknown_keys(settings, VoicemailSettings, *known.model_fields, path="settings.")
    _reject_misspelt_keys(settings, known, "settings.")


def _reject_misspelt_keys(document: Mapping[str, Any], model: type[BaseModel], path: str) -> None:
    for key, value in document.items():
        if meant := similar_key(key, model.model_fields):
            raise BadInput(f"unknown key {path}{key}: did you mean {path}{meant}?")
        nested = nested_model(model.model_fields[key].annotation) if key in model.model_fields else None
        if nested and isinstance(value, Mapping):
            _reject_misspelt_keys(value, nested, f"{path}{key}.")


def suggest(word: str, known: Iterable[str], *, path: str = "") -> str:
    """Return `did you mean KNOWN? ` if a known word is similar, else nothing."""
    similar = most_similar(word, known)
    return f"did you mean {path}{similar}? " if similar else ""


def most_similar(word: str, known: Iterable[str]) -> str:
    """Return the known word that a misspelt one may stand for; "" if none is similar."""
    return next(iter(get_close_matches(word, list(known), n=1)), "")


def merge_value(current: object, new: object) -> object:
    """Return `new`, merged key by key if both are objects, and so are their values; null removes a key."""
    if not isinstance(new, dict) or not isinstance(current, dict):
        return new
    merged = {**current, **{key: merge_value(current.get(key), value) for key, value in new.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _holds_text(path: Sequence[str]) -> bool:
    """Return whether the value at a path in the document of a mailbox, an account or a user can only be text."""
    return any(types == [str] for types in _types_at(path))


def holds_list(path: Sequence[str]) -> bool:
    """Return whether the value at a path in the document of a mailbox, an account or a user can only be a list."""
    return any([get_origin(one) for one in types] == [list] for types in _types_at(path))


def _types_at(path: Sequence[str]) -> Iterator[list[Any]]:
    """Yield what the value at a path may be, None apart, by each model whose document the path can belong to."""
    models: tuple[type[BaseModel], ...] = (BoxSettings, Account, User)
    if path[0] == "settings" and len(path) > 1:
        models, path = (AccountSettings, UserSettings, VoicemailSettings), path[1:]
    for model in models:
        yield from _types_of(model, path)


def _types_of(model: type[BaseModel], path: Sequence[str]) -> Iterator[list[Any]]:
    if path[0] not in model.model_fields:
        return
    annotation = model.model_fields[path[0]].annotation
    if len(path) > 1:
        if nested := nested_model(annotation):
            yield from _types_of(nested, path[1:])
        elif get_origin(annotation) is dict and len(path) == 2:
            yield [_without_metadata(get_args(annotation)[1])]
        return
    types = map(_without_metadata, get_args(annotation) if _is_union(annotation) else [annotation])
    yield [_without_metadata(one) for one in types if one is not NoneType]


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _without_metadata(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def is_setting(path: str, model: type[BaseModel] = BoxSettings) -> bool:
    """Return whether a key, or keys separated by dots, is a setting of a mailbox. Keys of a map are any."""
    key, _, rest = path.partition(".")
    if key not in model.model_fields or not rest:
        return key in model.model_fields
    annotation = model.model_fields[key].annotation
    nested = nested_model(annotation)
    return is_setting(rest, nested) if nested else get_origin(annotation) is dict


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model of an object that a field holds; None: it holds something else."""
    candidates = [annotation, *get_args(annotation)]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)
