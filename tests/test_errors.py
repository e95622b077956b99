"""Each edge maps every error: REST to a status, the phone to a prompt, the command line to an exit code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest

from ivr import errors
from ivr.api.error_responses import ERROR_RESPONSES
from ivr.cli.support import EXIT_CODES
from ivr.errors import IvrError
from ivr.menus.menu import PROMPTS_BY_ERROR, PROMPTS_BY_MESSAGE_ERROR

NOT_RAISED_BEHIND_REST = {
    errors.CallFailed, errors.ProgramFailed, errors.NotificationFailed, errors.AmiUnavailable,
    errors.ConfigurationError,
}  # fmt: skip
"""These, and what is below them, become 500 `unspecified_fault`."""
NOT_NAMED_AT_THE_PHONE = {
    errors.CallFailed, errors.BadInput, errors.Conflict, errors.ProgramFailed, errors.NotificationFailed,
    errors.AmiUnavailable, errors.RestError, errors.ConfigurationError,
}  # fmt: skip
"""Callers hear "problem/later" for these, and what is below them, unless a row of its own says more."""
EXIT_CODE_1 = {
    errors.CallFailed, errors.PastRetention, errors.ProgramFailed, errors.NotificationFailed, errors.AmiUnavailable,
    errors.RestError, errors.ConfigurationError,
}  # fmt: skip
TABLES: dict[str, tuple[list[type[Exception]], set[type[IvrError]]]] = {
    "rest": ([response.error_class for response in ERROR_RESPONSES], NOT_RAISED_BEHIND_REST),
    "phone": (
        list(dict.fromkeys(error_class for error_class, _ in (*PROMPTS_BY_MESSAGE_ERROR, *PROMPTS_BY_ERROR))),
        NOT_NAMED_AT_THE_PHONE,
    ),
    "cli": ([error_class for error_class, _ in EXIT_CODES], EXIT_CODE_1),
}


def subclasses(error_class: type[Exception], depth: int = 0) -> Iterator[tuple[int, type[Exception]]]:
    yield depth, error_class
    for subclass in error_class.__subclasses__():
        if subclass.__module__ == errors.__name__:
            yield from subclasses(subclass, depth + 1)


def is_below(error_class: type[Exception], ancestors: Iterable[type[Exception]]) -> bool:
    return issubclass(error_class, tuple(ancestors))


@pytest.mark.parametrize("edge", TABLES)
def test_every_error_is_mapped_or_known_to_be_unspecific(edge: str) -> None:
    mapped, unspecific = TABLES[edge]
    specific = [error_class for error_class in mapped if error_class is not IvrError]
    unmapped = [
        error_class.__name__
        for _, error_class in subclasses(IvrError)
        if error_class not in (IvrError, errors.RestError)
        and not is_below(error_class, specific)
        and not is_below(error_class, unspecific)
    ]
    assert unmapped == []
    assert mapped[-1] is IvrError


@pytest.mark.parametrize("edge", TABLES)
def test_every_row_is_reachable(edge: str) -> None:
    mapped, _ = TABLES[edge]
    hidden = [error_class for n, error_class in enumerate(mapped) if is_below(error_class, mapped[:n])]
    assert hidden == []


def test_docstring_draws_the_tree() -> None:
    assert errors.__doc__
    drawn = [
        (len(match[1]) // 4, match[2])
        for match in re.finditer(r"^    ((?:[│├└─ ]{4})*)([A-Z]\w+)(?:  |$)", errors.__doc__, re.MULTILINE)
    ]
    assert drawn[0] == (0, "HungUp")
    assert sorted(drawn[1:]) == sorted((depth, error_class.__name__) for depth, error_class in subclasses(IvrError))
    parents = {error_class.__name__: error_class.__mro__[1].__name__ for _, error_class in subclasses(IvrError)}
    path: list[str] = []
    for depth, name in drawn[1:]:
        path = [*path[:depth], name]
        assert depth == 0 or parents[name] == path[depth - 1]
