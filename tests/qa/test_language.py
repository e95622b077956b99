"""Words that may not come back: metaphors and private language of an earlier version.

Python files are read by tokenize and ast: names, docstrings, comments and strings are searched, not the code between
them. Documents and configuration files are searched whole. See docs/glossary.md for the words to use.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REPLACEMENTS = {
    r"whoever|somebody|nobody": "the noun of the domain: caller, owner, service, client, administrator",
    r"houses?": "installation, service, site",
    r"mailrooms?": "VoicemailServices",
    r"receptions?": "CallHandler",
    r"workshops?": "process pool",
    r"errands?": "dialplan action",
    r"lanes?": "worker",
    r"kazoo-behaviour": "the reason itself, or docs/kazoo-compatibility.md",
    r"design, ideas?": "the reason itself",
    r"vouch(es|ed)? for": "signs, verifies, is trusted by",
    r"(the|this|that|these|which|whichever|each|every|one|other|another|own) (roads?|doors?)": "transport; API",
    r"(rest|front|back|fraud) doors?": "API",
    r"(this|that|of the|other|every|which) rooms?": "package",
    r"(no|enough|less|more) room (for|in|left)": "capacity, space, quota",
    r"(is|are|was|were) told (of|to|by|at|the|what|when|where|that)": "is notified, logged, reported, configured",
    r"what (is|was) (told|kept|asked)": "a noun: report, stored value, request",
    r"leave the house": "be sent",
}
"""Pattern: what to write instead. Patterns are whole words, without regard to case."""

IDENTIFIERS = {"house", "mailroom", "reception", "workshop", "errand", "lane", "clerk", "somebody", "nobody"}
"""Words that no name contains."""

NAMES = {"told", "kept", "asked", "said"}
"""Names that no variable, parameter, function, class or attribute has as a whole."""

EXCEPTIONS = {
    "ivr/menus/greeting.py": "a prompt's key",
    "tests/menus/test_greeting.py": "a prompt's text",
    "tests/menus/test_greeting_recording.py": "a prompt's text",
    "tests/asterisk/test_doctor.py": "`nobody` is the name of a user",
    "tests/asterisk/test_greetings.py": "a prompt's key",
    "tests/lab/asterisk_config.py": "`nobody` is the name of a Stasis application",
    "tests/qa/test_language.py": "the list itself",
    "bench/transcription.py": "sentences that speakers say",
    "docs/kazoo-compatibility.md": "cites Kazoo",
    "docs/dialplans.md": "cites what Asterisk prints",
}

UNFINISHED: set[str] = set()
"""Packages and documents that still have such words."""

PYTHON_FOLDERS = ("ivr", "bench", "tests")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "asterisk-conf/*", "systemd/*", "tests/README.md")

TEXT_TOKENS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}

_pattern = re.compile(rf"\b({'|'.join(REPLACEMENTS)})\b", re.IGNORECASE)


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """The line and text of each comment, docstring and string of a Python source."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in TEXT_TOKENS:
            yield token.start[0], token.string


def identifiers(source: str) -> Iterator[tuple[int, str]]:
    """The line and name of everything that a Python source defines."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def violations(path: Path) -> list[str]:
    """The forbidden words of a file, each as `path:line: word`."""
    name = path.relative_to(ROOT).as_posix()
    if name in EXCEPTIONS:
        return []
    source = path.read_text()
    found: list[str] = []
    if path.suffix == ".py":
        texts = list(python_texts(source))
        found += [
            f"{name}:{line}: name {one}"
            for line, one in identifiers(source)
            if one.strip("_") in NAMES or IDENTIFIERS & set(one.lower().split("_"))
        ]
    else:
        texts = list(enumerate(source.splitlines(), start=1))
    for line, text in texts:
        joined = re.sub(r"\s+", " ", text)  # A phrase may be broken at the end of a line.
        found += [f"{name}:{line}: {match[0]}" for match in _pattern.finditer(joined)]
    return found


@cache
def packages() -> dict[str, list[Path]]:
    """The searched files by package (`ivr/menus`) or document."""
    grouped: dict[str, list[Path]] = {}
    for folder in PYTHON_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).parts
            grouped.setdefault("/".join(parts[: min(2, len(parts) - 1)]), []).append(path)
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                grouped.setdefault(path.relative_to(ROOT).as_posix(), []).append(path)
    return grouped


@pytest.mark.parametrize("package", sorted(packages()))
def test_package_uses_the_words_of_the_field(package: str) -> None:
    found = [violation for path in packages()[package] for violation in violations(path)]
    if found and package in UNFINISHED:
        pytest.xfail(f"{len(found)} words to replace")
    assert not found, "write the words of docs/glossary.md instead:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""Whoever calls."""', ["Whoever"]),
        ("x = 1  # nobody is told", ["nobody"]),
        ('def f() -> str:\n    return f"the house of {1}"', ["house"]),
        ("mailroom = 1", ["name mailroom"]),
        ("def _told() -> None: ...", ["name _told"]),
        ("def test_message_is_kept() -> None: ...", []),
        ('"""A mailbox of an account."""\nwarehouse = 1', []),
    ],
)
def test_words_are_found_in_docstrings_comments_strings_and_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: list[str]
) -> None:
    (tmp_path / "a.py").write_text(source)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert [violation.split(": ", 1)[1] for violation in violations(tmp_path / "a.py")] == expected
