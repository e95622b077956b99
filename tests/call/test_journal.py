"""The journal of a call: which keys it shows, and which it masks because they may be a PIN."""

from __future__ import annotations

import pytest

from ivr.call.journal import Journal


def journal_of(*events: tuple[float, str]) -> str:
    """Return the keys of a journal. `events`: seconds since the last one, and a key, or a count of forgotten keys."""
    now = 0.0
    journal = Journal(lambda: now)
    for pause_s, key in events:
        now += pause_s
        if key.startswith("forget"):
            journal.note_forgotten_keys(int(key.removeprefix("forget ")))
        else:
            journal.note_key(key, typed_ahead=not pause_s)
    return "".join(str(entry.details["key"]) for entry in journal.entries if entry.event == "key")


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([(1.0, "1"), (9.0, "7"), (9.0, "7"), (9.0, "2"), (9.0, "5")], "17725"),
        ([(1.0, "1"), (1.0, "7"), (1.0, "7"), (5.0, "7")], "1777"),
        ([(1.0, "1"), (1.0, "7"), (1.0, "7"), (1.0, "*"), (1.0, "7"), (1.0, "#")], "177*7#"),
        ([(1.0, "4"), (0.5, "7"), (0.5, "1"), (0.5, "6"), (0.5, "#"), (0.5, "1")], "••••#1"),
        ([(1.0, "4"), (0.5, "7"), (0.5, "1"), (0.5, "6"), (0.5, "0"), (0.5, "9"), (9.0, "1")], "••••••1"),
        ([(9.0, "4"), (0.0, "7"), (0.0, "1"), (0.0, "6")], "••••"),
        ([(1.0, "4"), (0.1, "forget 1"), (0.5, "1"), (0.5, "6"), (0.5, "#")], "•••#"),
        ([(1.0, "4"), (0.5, "7"), (0.1, "forget 3"), (9.0, "1")], "••1"),
    ],
    ids=["slow keys", "a pause", "no digit", "a PIN", "six digits", "typed ahead", "one is forgotten", "the rest is"],
)
def test_runs_of_digits_are_masked(events: list[tuple[float, str]], shown: str) -> None:
    assert journal_of(*events) == shown


def test_slow_digits_of_one_entry_are_masked() -> None:
    """`interdigit_timeout` permits pauses of a minute."""
    now = 0.0
    journal = Journal(lambda: now)
    journal.note_key("4")
    with journal.one_entry():
        for key in "716":
            now += 9.0
            journal.note_key(key)
    now += 9.0
    journal.note_key("1")
    assert [entry.details["key"] for entry in journal.entries] == ["•", "•", "•", "•", "1"]


def test_pin_that_begins_at_the_end_of_a_full_journal_is_masked() -> None:
    journal = Journal(lambda: 1.0, max_entries=3)
    for key in "4716":
        journal.note_key(key)
    assert [entry.details["key"] for entry in journal.entries] == ["•", "•", "•"]


def test_key_that_is_pushed_back_counts_once() -> None:
    journal = Journal(lambda: 1.0)
    for key in "471":
        journal.note_key(key)
    journal.retract_key()
    journal.note_key("1", typed_ahead=True)
    assert [entry.details["key"] for entry in journal.entries] == ["4", "7", "1"]
    journal.note_key("6")
    assert {str(entry.details["key"]) for entry in journal.entries} == {"•"}


def test_asked_for_pin_does_not_mask_the_keys_behind_it() -> None:
    journal = Journal(lambda: 1.0)
    with journal.mask_keys(enabled=True):
        for key in "4716":
            journal.note_key(key)
    journal.note_key("1")
    assert [entry.details["key"] for entry in journal.entries] == ["•", "•", "•", "•", "1"]
