"""References of messages: digits in place of an id."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from ivr.ids import IdGenerator
from ivr.mailbox.message_reference import id_prefix, message_reference

RANDOM = st.binary(min_size=16, max_size=16)


@given(RANDOM, st.floats(0, 4e9))
@example(b"\xff" * 16, 0)
@example(b"\0" * 16, 0)
def test_reference_is_sixteen_digits_that_lead_back_to_the_id(random: bytes, time: float) -> None:
    message_id = IdGenerator(lambda n: random[:n]).new_message_id(time)
    reference = message_reference(message_id)
    assert reference.isdecimal()
    assert len(reference) == 16
    prefix = id_prefix(reference)
    assert prefix == message_id[: len("202611-12345678")]


@given(st.text(max_size=20))
@example("2026114294967296")
@example("202611" + 10 * "\uff10")
@example("202611%")
def test_other_texts_are_no_references(text: str) -> None:
    prefix = id_prefix(text)
    assert prefix is None or message_reference(f"{prefix}{'0' * 24}") == text


@given(st.text(max_size=45))
@example("202611-12345678")
def test_ids_of_another_form_have_no_reference(text: str) -> None:
    assert message_reference(text) == ""
