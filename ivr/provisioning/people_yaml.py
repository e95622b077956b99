"""People files in YAML: accounts with their users and mailboxes. Every entry remembers its line.

Scalars are read like the values of commands, not by the rules of YAML, for which 0042 is the number 34.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ivr.directory.models import Account, User
from ivr.errors import BadInput
from ivr.mailbox.box_settings import LIST_KEYS, BoxSettings
from ivr.mailbox.text_values import (
    holds_list,
    parse_value,
    reject_unknown_keys,
    reject_unknown_settings,
    split_list,
    suggest,
)
from ivr.provisioning.people import AccountEntry, BoxEntry, PeopleFile, PeopleRow, RowError, UserEntry
from ivr.provisioning.people_csv import BOX_KEYS, USER_KEYS

MAX_DEPTH = 10
TEXT_LISTS = LIST_KEYS | {"endpoints"}
ACCOUNT_KEYS = frozenset(Account.model_fields) - {"id", "revision"}
MAX_FLOW_DEPTH = 50
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_ITEM = "-"
"""What follows the key of a list in the path of an item: an item is not split like the text of a whole list."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A mapping: its nodes by key, and the line it begins on."""

    line: int
    nodes: Mapping[str, Node]

    def text(self, key: str) -> str | None:
        """Return a scalar as it is written; None if it is missing or empty. Raises `BadInput`."""
        node = self.nodes.get(key)
        if node is None:
            return None
        if not isinstance(node, ScalarNode):
            raise BadInput(f"{key} is not a single value: write {key}: VALUE")
        return _text_of(node).strip() or None

    def items(self, key: str, errors: list[RowError]) -> Iterator[_Entry]:
        """Yield the mappings of a list; what is no mapping becomes an error."""
        node = self.nodes.get(key)
        if node is None or (isinstance(node, ScalarNode) and not node.value):
            return
        if not isinstance(node, SequenceNode):
            errors.append(RowError(_line(node), f"{key} is not a list: begin each entry with '- '"))
            return
        for item in node.value:
            try:
                yield _entry(item)
            except BadInput as error:
                errors.append(RowError(_line(item), str(error)))


def parse_yaml(text: str, *, allow_unknown_keys: bool = False) -> PeopleFile:
    """Return the entries of a YAML file. Raises `BadInput` if it is not YAML; errors of entries are in the result."""
    if _flow_depth(text) > MAX_FLOW_DEPTH:  # The time that PyYAML takes grows with the square of it.
        raise BadInput(
            f"there are more than {MAX_FLOW_DEPTH} open brackets: see docs/commands.md for the form of the file"
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"line {line} is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"the file is not YAML: {error}") from None
    except RecursionError:
        raise BadInput("the file is nested too deeply: see docs/commands.md for its form") from None
    if root is None:
        raise BadInput("the file is empty: it has the keys accounts, users and boxes (docs/commands.md)")
    reader = _Reader(allow_unknown_keys=allow_unknown_keys)
    reader.read_root(_entry(root))
    return reader.people


def _flow_depth(text: str) -> int:
    """Return how many brackets are open at most, whatever closes them."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth = max(0, depth - 1)
    return deepest


class _Reader:
    """Collects the entries of one file."""

    def __init__(self, *, allow_unknown_keys: bool) -> None:
        self.people = PeopleFile()
        self._allow_unknown_keys = allow_unknown_keys

    def read_root(self, root: _Entry) -> None:
        _reject_unknown(root, {"accounts", "users", "boxes"})
        for account in root.items("accounts", self.people.errors):
            self._collect(account, self._read_account)
        self._read_users_and_boxes(root, None)

    def _collect(self, entry: _Entry, read: Any, *arguments: object) -> None:
        try:
            read(entry, *arguments)
        except BadInput as error:
            self.people.errors.append(RowError(entry.line, str(error)))

    def _read_account(self, entry: _Entry) -> None:
        _reject_unknown(entry, {*ACCOUNT_KEYS, "users", "boxes"})
        name = entry.text("name")
        if name is None:
            raise BadInput("the account has no name: add name:")
        fields = {key: _value(node, [key]) for key, node in entry.nodes.items() if key in ACCOUNT_KEYS - {"name"}}
        if not self._allow_unknown_keys:
            reject_unknown_settings(fields, Account)
        self.people.accounts.append(AccountEntry(entry.line, name, fields))
        self._read_users_and_boxes(entry, name)

    def _read_users_and_boxes(self, entry: _Entry, account: str | None) -> None:
        for user in entry.items("users", self.people.errors):
            self._collect(user, self._read_user, account)
        for box in entry.items("boxes", self.people.errors):
            self._collect(box, self._read_box, account, None)

    def _read_user(self, entry: _Entry, account: str | None) -> None:
        _reject_unknown(entry, {*USER_KEYS, "endpoints", "boxes"}, self._allow_unknown_keys)
        name = entry.text("name")
        if name is None:
            raise BadInput("the user has no name: add name:")
        others = {"name", "endpoints", "boxes"}
        fields = {key: _value(node, [key]) for key, node in entry.nodes.items() if key not in others}
        if not self._allow_unknown_keys:
            reject_unknown_settings(fields, User)
        user = UserEntry(name, fields, _endpoints(entry.nodes.get("endpoints")))
        self.people.rows.append(PeopleRow(entry.line, account, user))
        for box in entry.items("boxes", self.people.errors):
            self._collect(box, self._read_box, account, name)

    def _read_box(self, entry: _Entry, account: str | None, owner: str | None) -> None:
        _reject_unknown(entry, {*BOX_KEYS, "owner", "pin"}, self._allow_unknown_keys)
        number = entry.text("mailbox")
        if number is None:
            raise BadInput("the mailbox has no number: add mailbox:")
        others = {"mailbox", "owner", "pin"}
        fields = {key: _value(node, [key]) for key, node in entry.nodes.items() if key not in others}
        if not self._allow_unknown_keys:
            reject_unknown_keys(fields, BoxSettings)
        box = BoxEntry(number, entry.text("owner") or owner, fields, entry.text("pin"))
        self.people.rows.append(PeopleRow(entry.line, account, None, box))


def _entry(node: Node) -> _Entry:
    if not isinstance(node, MappingNode):
        raise BadInput(f"line {_line(node)} has no keys: write KEY: VALUE")
    nodes: dict[str, Node] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        if key in nodes:
            raise BadInput(f"{key} is there twice: remove one of them")
        nodes[key] = value_node
    return _Entry(_line(node), nodes)


def _reject_unknown(entry: _Entry, known: set[str], allow_unknown_keys: bool = False) -> None:
    unknown = next((key for key in entry.nodes if key not in known), None)
    if unknown is not None and not allow_unknown_keys:
        raise BadInput(f"unknown key {unknown}: {suggest(unknown, sorted(known))}docs/commands.md lists the keys")


def _endpoints(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    value = _value(node, ["endpoints"])
    return tuple(map(str, value)) if isinstance(value, list) else tuple(split_list(str(value or "")))


def _value(node: Node, path: list[str], depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise BadInput(f"{path[0]} is nested too deeply")
    if isinstance(node, ScalarNode):
        is_item = depth > 0 and path[0] in TEXT_LISTS
        is_quoted = node.style in ("'", '"', "|", ">")
        if is_item or (is_quoted and not holds_list(path)):
            return _text_of(node)
        return None if node.value in ("", "~", "null") else parse_value(path, _text_of(node))
    if isinstance(node, SequenceNode):
        return [_value(item, [*path, _ITEM], depth + 1) for item in node.value]
    return {key: _value(child, [*path, key], depth + 1) for key, child in _entry(node).nodes.items()}


def _text_of(node: ScalarNode) -> str:
    """Return a scalar; two escapes, by which JSON writes an emoji, are one character: programs write files as JSON."""
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), str(node.value))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
