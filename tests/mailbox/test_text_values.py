"""Values that are written as text, and words that are one letter off a known one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ivr.directory.models import User
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.text_values import TEXT_KEYS, parse_assignments, parse_value, set_at_path
from ivr.validation.names import is_one_letter_off

LETTERS = "ab_"
WORDS = st.text(LETTERS, min_size=1, max_size=6)


def neighbours(word: str) -> set[str]:
    """All words that are one letter off, made by force."""
    places = range(len(word) + 1)
    more = {word[:n] + letter + word[n:] for n in places for letter in LETTERS}
    less = {word[:n] + word[n + 1 :] for n in range(len(word))}
    other = {word[:n] + letter + word[n + 1 :] for n in range(len(word)) for letter in LETTERS}
    exchanged = {word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(len(word) - 1)}
    return (more | less | other | exchanged) - {word}


@given(word=WORDS, known=WORDS)
def test_one_letter_off_is_what_a_typing_error_makes(word: str, known: str) -> None:
    assert is_one_letter_off(word, known) is (word in neighbours(known))
    assert all(is_one_letter_off(one, known) for one in neighbours(known))


@pytest.mark.parametrize("word", ["timezone", "time_zones", "zone", ""])
def test_equal_and_distant_words_are_not(word: str) -> None:
    assert not is_one_letter_off(word, "timezone")


TYPED = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
JSON_LOOKALIKES = st.sampled_from(["true", "1e5", "1.50", "-0", "0042", "[5]", "[0-9]", "{}", "NaN", "9" * 32])
VALID: dict[str, st.SearchStrategy[str]] = {
    "mailbox": st.from_regex(r"[0-9]{1,15}", fullmatch=True),
    "operator_number": st.from_regex(r"\+?[0-9]{1,15}", fullmatch=True),
    "notify_email": st.from_regex(r"[a-z0-9]{1,8}@[a-z0-9]{1,8}\.example", fullmatch=True),
    "timezone": st.sampled_from(["UTC", "EST", "Europe/Berlin", "Etc/GMT+5"]),
    "language": st.sampled_from(["en", "de-AT", "zh_Hans_CN"]),
    "hunt_allow": st.sampled_from(["^2[0-9]{3}$", "[12]", "1.0", "1", "[1]", "null|1"]),
}
VALID["email"] = VALID["notify_email"]
TEXTS = [
    (model, key)
    for model, keys in {
        BoxSettings: ("name", "timezone", "notify_email", "hunt_allow", "operator_number", "mailbox"),
        User: ("name", "username", "email", "language", "timezone", "voicemail_id", "settings.first_name"),
    }.items()
    for key in keys
]
BASES: dict[type[BaseModel], dict[str, str]] = {BoxSettings: {"name": "b", "mailbox": "1"}, User: {"name": "a"}}


def set_in_new_document(path: list[str], value: object) -> dict[str, Any]:
    document: dict[str, Any] = {}
    set_at_path(document, path, value)
    return document


def accepted(model: type[BaseModel], path: list[str], value: object) -> object:
    """Return what is stored at a path of a document; None if it is refused."""
    document: dict[str, Any] = dict(BASES[model])
    set_at_path(document, path, value)
    try:
        stored: Any = model.model_validate(document).model_dump()
    except ValidationError:
        return None
    for name in path:
        stored = stored[name]
    return stored


@pytest.mark.parametrize(("model", "key"), TEXTS)
@given(data=st.data())
@settings(max_examples=30)
def test_text_is_accepted_by_commands_and_people_files_where_rest_accepts_it(
    model: type[BaseModel], key: str, data: st.DataObject
) -> None:
    """A request has the text as a JSON string; a command as `key=text`; a people file as a cell or a scalar."""
    path, valid = key.split("."), VALID.get(key, TYPED)
    text = data.draw(valid | JSON_LOOKALIKES | TYPED)
    if text == "null" or text.startswith('"'):
        return  # These are read as JSON.
    assert accepted(model, path, parse_value(path, text)) == accepted(model, path, text)
    assert parse_assignments([f"{key}={text}"]) == set_in_new_document(path, text)


@pytest.mark.parametrize("key", sorted({key for _, key in TEXTS} - set(TEXT_KEYS)))
@given(text=TYPED | st.sampled_from(["null", '"x"', "1"]))
@settings(max_examples=30)
def test_text_in_double_quotes_is_json(key: str, text: str) -> None:
    assert parse_assignments([f"{key}={json.dumps(text)}"]) == set_in_new_document(key.split("."), text)


@pytest.mark.parametrize("key", ["aliases", "numbers", "notify_email_addresses"])
@settings(max_examples=30)
@given(items=st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), max_size=4, unique=True))
def test_list_that_rest_accepts_is_accepted_unchanged_by_commands_and_people_files(key: str, items: list[str]) -> None:
    items = [f"{item}@x.example" for item in items] if key == "notify_email_addresses" else items
    stored = accepted(BoxSettings, [key], items)
    assert stored == items
    for text in (json.dumps(items), ", ".join(items), ";".join(items), " ".join(items)):
        assert accepted(BoxSettings, [key], parse_value([key], text)) == stored
