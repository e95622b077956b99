"""Rules for the shape of `ivr/`: size of modules and constructors, unique names, and where the time comes from."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "ivr").rglob("*.py"))
MAX_LINES = 350
MAX_PARAMETERS = 6

LONGER_MODULES: dict[str, str] = {}
"""Modules that may be longer, each with the reason."""

LARGER_CONSTRUCTORS: dict[str, str] = {
    "CallContext": "what a menu works with, built in one place (menus/call_handler.py)",
    "PlaybackWaiter": "what is known of one playback, filled in by events",
}
"""Classes whose constructor may take more, each with the reason."""

SHARED_MODULE_NAMES = {
    "__init__": "packages",
    "boxes": "rules, store protocol, statements, routes, command",
    "call": "a call, over each transport",
    "calls": "protocol, statements, routes, command",
    "client": "the side that connects: AMI, ARI",
    "connection": "one connection: FastAGI, ARI",
    "demo": "command, and what it is built from",
    "doctor": "command, and the list of checks",
    "greetings": "rules, routes",
    "listing": "protocol, statements",
    "mailbox": "rules, protocols",
    "messages": "protocol, statements, routes, command",
    "mwi": "AMI action, targets",
    "outbox": "protocol, statements, command",
    "overview": "record, statements",
    "phone": "the terminal phone, command",
    "protocol": "what is sent and received: FastAGI, ARI",
    "server": "the side that listens: FastAGI, ARI, REST",
    "service": "the running service, and the doctor's check of it",
    "settings": "one for each section of ivr.toml",
    "sound": "a sound file, and the sound card of the terminal phone",
    "takes": "rules, statements",
    "tokens": "rules, command",
    "uploads": "rules, statements",
    "worker": "a loop or a child process that does one kind of work",
}
"""File names that several packages use for the same job."""


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield path, node


def constructor_parameters(node: ast.ClassDef) -> int:
    """How many arguments the constructor takes. A frozen dataclass without methods is a record and counts as none."""
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return len(member.args.posonlyargs + member.args.args + member.args.kwonlyargs) - 1
    decorators = " ".join(map(ast.unparse, node.decorator_list))
    if "dataclass" not in decorators or ("frozen=True" in decorators and not has_behaviour(node)):
        return 0
    return sum(isinstance(member, ast.AnnAssign) for member in node.body)


def has_behaviour(node: ast.ClassDef) -> bool:
    """Whether a class does more than derive values of its own: it has coroutines."""
    return any(isinstance(member, ast.AsyncFunctionDef) for member in node.body)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_at_most_350_lines_long(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    assert name in LONGER_MODULES or len(path.read_text().splitlines()) <= MAX_LINES


def test_constructors_take_at_most_six_parameters() -> None:
    sizes = {f"{path.relative_to(ROOT)}: {node.name}": constructor_parameters(node) for path, node in classes()}
    large = {name: size for name, size in sizes.items() if size > MAX_PARAMETERS}
    assert {name: size for name, size in large.items() if name.rpartition(" ")[2] not in LARGER_CONSTRUCTORS} == {}


def test_every_exception_is_still_needed() -> None:
    large = {node.name for _, node in classes() if constructor_parameters(node) > MAX_PARAMETERS}
    long = {str(path.relative_to(ROOT)) for path in MODULES if len(path.read_text().splitlines()) > MAX_LINES}
    assert LARGER_CONSTRUCTORS.keys() <= large
    assert LONGER_MODULES.keys() <= long


def test_module_names_are_unique_but_for_shared_jobs() -> None:
    names = Counter(path.stem for path in MODULES)
    assert {name for name, count in names.items() if count > 1} - SHARED_MODULE_NAMES.keys() == set()


def test_public_class_names_are_unique() -> None:
    names = Counter(node.name for _, node in classes() if not node.name.startswith("_"))
    assert {name for name, count in names.items() if count > 1} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_formatted_throughout(path: Path) -> None:
    assert "# fmt: skip" not in path.read_text()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_takes_private_clock_of_another_object(path: Path) -> None:
    assert re.findall(r"\b(?!self\b)\w+\._clock\b|\bself\.\w+\._clock\b", path.read_text()) == []
