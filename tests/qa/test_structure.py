"""Rules for the shape of `ivr/`: size of modules and constructors, unique names, and where the time comes from."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "ivr").rglob("*.py"))}
"""The text of each module by its path."""
MAX_LINES = 350
MAX_PARAMETERS = 6

LONGER_MODULES: dict[str, str] = {}
"""Modules that may be longer, each with the reason."""

LARGER_CONSTRUCTORS: dict[str, str] = {
    "CallContext": "what a menu works with, built in one place (menus/call_handler.py)",
    "PlaybackWaiter": "what is known of one playback, filled in by events",
}
"""Classes whose constructor may take more, each with the reason."""

UNSPLIT_CONSTRUCTORS: set[str] = set()
"""Classes whose arguments are still to be grouped. This set only shrinks."""

SHARED_MODULE_NAMES = {
    "error_translation": "SQLite, PostgreSQL",
    "schema": "of a file, of PostgreSQL",
    "__init__": "packages",
    "audit": "records, protocol, statements, of requests, command",
    "audio": "store protocol, routes",
    "boxes": "rules, store protocol, statements, routes, command",
    "call": "a call, over each transport",
    "calls": "protocol, statements, routes, command",
    "client": "the side that connects: AMI, ARI",
    "connection": "one connection: FastAGI, ARI",
    "data_folder": "the folder, and the doctor's check of it",
    "database": "protocol, SQLite, PostgreSQL",
    "database_file": "store protocol, statements",
    "demo": "command, and what it is built from",
    "directory": "rules, store protocol, statements",
    "doctor": "command, and the list of checks",
    "freepbx": "its bulk CSV, its files and tables",
    "greetings": "rules, routes",
    "health": "store protocol, statements",
    "imports": "records, store protocol, statements, command",
    "listing": "protocol, statements",
    "lists": "records, routes",
    "mailbox": "rules, protocols",
    "message_search": "statements, migration",
    "messages": "protocol, statements, routes, command",
    "mwi": "AMI action, targets",
    "persons": "records, protocol, statements",
    "nodes": "records, store protocol, statements, command, check",
    "outbox": "protocol, statements, command",
    "overview": "record, statements",
    "phone": "the terminal phone, command",
    "protocol": "what is sent and received: FastAGI, ARI",
    "provisioning": "rules, records, statements",
    "retention": "store protocol, statements",
    "row_move": "store protocol, and what copies and compares",
    "rows": "all rows of a database: SQLite, PostgreSQL",
    "server": "the side that listens: FastAGI, ARI, REST",
    "service": "the running service, and the doctor's check of it",
    "settings": "one for each section of ivr.toml",
    "sound": "a sound file, and the sound card of the terminal phone",
    "statistics": "records, store protocol, statements",
    "takes": "rules, statements",
    "tokens": "rules, command",
    "uploads": "rules, statements",
    "worker": "a loop or a child process that does one kind of work",
}
"""File names that several packages use for the same job."""


def classes() -> Iterator[ast.ClassDef]:
    for text in SOURCES.values():
        yield from (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef))


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


def large_constructors() -> set[str]:
    return {node.name for node in classes() if constructor_parameters(node) > MAX_PARAMETERS}


def long_modules() -> set[str]:
    return {name for name, text in SOURCES.items() if len(text.splitlines()) > MAX_LINES}


def test_modules_are_at_most_350_lines_long() -> None:
    assert long_modules() - LONGER_MODULES.keys() == set()


def test_constructors_take_at_most_six_parameters() -> None:
    assert large_constructors() - LARGER_CONSTRUCTORS.keys() - UNSPLIT_CONSTRUCTORS == set()


def test_every_exception_is_still_needed() -> None:
    assert LARGER_CONSTRUCTORS.keys() <= large_constructors()
    assert LONGER_MODULES.keys() <= long_modules()


def test_module_names_are_unique_but_for_shared_jobs() -> None:
    names = Counter(Path(name).stem for name in SOURCES)
    assert {name for name, count in names.items() if count > 1} - SHARED_MODULE_NAMES.keys() == set()


def test_public_class_names_are_unique() -> None:
    names = Counter(node.name for node in classes() if not node.name.startswith("_"))
    assert {name for name, count in names.items() if count > 1} == set()


def test_modules_are_formatted_throughout() -> None:
    assert [name for name, text in SOURCES.items() if "# fmt: skip" in text] == []


def test_no_object_uses_private_clock_of_another() -> None:
    foreign = re.compile(r"\b(?!self\b)\w+\._clock\b|\bself\.\w+\._clock\b")
    assert [name for name, text in SOURCES.items() if foreign.search(text)] == []
