"""Filters of lists: `filter_KEY=VALUE` and its relatives, as Kazoo 5 documents them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ivr.errors import InvalidFields

BOOLEAN_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""What clients write for true and false, in small or capital letters."""
ValuePredicate = Callable[[Any, list[str]], bool]
"""Whether the value of a key passes, given the values of the parameter."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter. `parameter`: its name as the client sent it; `key`: members separated by dots."""

    parameter: str
    key: str
    values: list[str]
    predicate: ValuePredicate

    def __call__(self, document: Mapping[str, Any]) -> bool:
        return self.predicate(value_at_path(document, self.key), self.values)

    @property
    def requires_array(self) -> bool:
        """Whether the value of the key must be an array."""
        return self.predicate in (_has_all, _has_any, _has_none)

    @property
    def required_values(self) -> list[str]:
        """The values one of which the key must have; empty if the filter requires something else."""
        return self.values if self.predicate is _equals else []


def parse_filters(items: Iterable[tuple[str, str]]) -> tuple[Filter, ...]:
    """Parse the filters among the parameters of a query; all of them must pass. Raises `InvalidFields`."""
    return tuple(found for name, value in items if (found := _parse_filter(name, value)) is not None)


def equality_filter(key: str, value: str) -> Filter:
    """Return the filter of `KEY=VALUE`."""
    return Filter(key, key, [value], _equals)


def unknown_key(found: Filter, known_keys: Iterable[str]) -> InvalidFields:
    """Return the error for a filter whose key no document of the list has.

    Such a filter passes nothing or everything, so a typing error would look like an empty mailbox.
    """
    violation = {"message": f"Unknown key {found.key}", "target": ", ".join(sorted(known_keys))}
    return InvalidFields({found.parameter: {"enum": violation}})


def no_array(found: Filter) -> InvalidFields:
    """Return the error for a filter of arrays whose key has another value in every document."""
    message = f"{found.key} is not an array: use filter_any_{found.key}"
    return InvalidFields({found.parameter: {"type": {"message": message, "target": "array"}}})


def unknown_filter(parameter: str) -> InvalidFields:
    """Return the error for a parameter that is none of the filters, and lists them."""
    violation = {"message": "Unknown filter", "target": ", ".join(f"{known}KEY" for known in VALUE_FILTERS)}
    return InvalidFields({parameter: {"enum": violation}})


def value_at_path(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path of keys separated by dots; None if there is none."""
    if path in document:
        return document[path]
    value: Any = document
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _parse_filter(name: str, value: str) -> Filter | None:
    if name in KEY_FILTERS:
        if not value:
            raise InvalidFields({name: {"required": {"message": "Name the key"}}})
        return Filter(name, value, [], KEY_FILTERS[name])
    if not name.startswith("filter_"):
        return None
    prefix = next(prefix for prefix in VALUE_FILTERS if name.startswith(prefix))
    predicate, takes_list = VALUE_FILTERS[prefix]
    key, values = name.removeprefix(prefix), _parse_json_list(value)
    if not key:
        raise unknown_filter(name)
    if values is None and takes_list:
        violation = {"message": 'Value must be a JSON array, as in ["new","saved"]', "target": "array"}
        raise InvalidFields({name: {"type": violation}})
    return Filter(name, key, [value] if values is None else values, predicate)


def _parse_json_list(value: str) -> list[str] | None:
    if not value.startswith("["):
        return None
    try:
        values = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return [_as_text(item) for item in values] if isinstance(values, list) else None


def _equals(value: Any, values: list[str]) -> bool:
    if isinstance(value, list):
        return any(_as_text(item) in values for item in value)
    if isinstance(value, bool):
        return any(BOOLEAN_WORDS.get(word.lower()) is value for word in values)
    return value is not None and _as_text(value) in values


def _is_not(value: Any, values: list[str]) -> bool:
    return not _equals(value, values)


def _has_all(value: Any, values: list[str]) -> bool:
    return isinstance(value, list) and set(values) <= {_as_text(item) for item in value}


def _has_any(value: Any, values: list[str]) -> bool:
    return isinstance(value, list) and not set(values).isdisjoint(_as_text(item) for item in value)


def _has_none(value: Any, values: list[str]) -> bool:
    """Return whether a list has none of the values; a missing list has none."""
    return value is None or (isinstance(value, list) and set(values).isdisjoint(_as_text(item) for item in value))


def _is_present(value: Any, values: list[str]) -> bool:
    return value is not None


def _is_missing(value: Any, values: list[str]) -> bool:
    return value is None


def _is_filled(value: Any, values: list[str]) -> bool:
    return value not in (None, "", [], {})


def _is_empty(value: Any, values: list[str]) -> bool:
    return not _is_filled(value, values)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


VALUE_FILTERS: dict[str, tuple[ValuePredicate, bool]] = {
    "filter_array_intersect_all_": (_has_all, True),
    "filter_array_intersect_any_": (_has_any, True),
    "filter_array_intersect_none_": (_has_none, True),
    "filter_any_": (_equals, True),
    "filter_none_": (_is_not, True),
    "filter_not_": (_is_not, False),
    "filter_": (_equals, False),
}
"""Predicate by prefix of the parameter, and whether its value must be a JSON array. The first prefix applies."""

KEY_FILTERS: dict[str, ValuePredicate] = {
    "has_key": _is_present,
    "key_missing": _is_missing,
    "has_value": _is_filled,
    "value_missing": _is_empty,
    "missing_value": _is_empty,
}
"""Predicate by parameter; its value is the key."""
