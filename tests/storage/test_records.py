"""Records of messages: times and ids."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ivr.ids import REQUEST_IDS, IdGenerator
from ivr.storage.records import Folder, Message


def test_gregorian_time_matches_sample_of_seed() -> None:
    """63630058722 is 10 May 2016, 00:18:42 UTC."""
    timestamp = int(datetime(2016, 5, 10, 0, 18, 42, tzinfo=UTC).timestamp())
    message = Message("201605-x", "a", "b", Folder.NEW, time=timestamp, length_ms=3140)
    assert message.gregorian == 63_630_058_722


def test_ids_of_requests_are_different_random_bytes() -> None:
    drawn = b"".join(n.to_bytes(16) for n in range(3 * REQUEST_IDS))
    source = io.BytesIO(drawn)
    ids = IdGenerator(source.read)
    assert bytes.fromhex("".join(ids.new_request_id() for _ in range(3 * REQUEST_IDS))) == drawn


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.binary(min_size=16, max_size=16),
)
def test_message_id_contains_month_and_random_digits(moment: datetime, random_bytes: bytes) -> None:
    message_id = IdGenerator(lambda n: random_bytes[:n]).new_message_id(moment.timestamp())
    assert re.fullmatch(r"\d{6}-[0-9a-f]{32}", message_id)
    assert message_id == f"{moment:%Y%m}-{random_bytes.hex()}"
