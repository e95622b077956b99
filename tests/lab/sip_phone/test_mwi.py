"""The body of a message-summary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.sip_phone.mwi import MessageSummary
from tests.lab.sip_phone.sip_message import SipSyntaxError


def test_summary_matches_rfc_3842_example() -> None:
    body = (
        b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n\r\n"
        b"To: <alice@atlanta.example.com>\r\n"
    )
    summary = MessageSummary.parse(body)
    assert (summary.waiting, summary.new, summary.old, summary.urgent_new, summary.urgent_old) == (True, 2, 8, 0, 2)
    assert summary.account == "sip:alice@vmail.example.com"
    assert summary.body == body.decode()
    assert summary.received_s > 0


def test_summary_without_counts_is_zero() -> None:
    assert MessageSummary.parse(b"messages-waiting:no\n") == MessageSummary(False, body="messages-waiting:no\n")
    assert MessageSummary.parse(b"Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n").new == 1


@pytest.mark.parametrize("body", [b"", b"Messages-Waiting: perhaps\r\n", b"Voice-Message: 1/0\r\n"])
def test_summary_without_messages_waiting_is_rejected(body: bytes) -> None:
    with pytest.raises(SipSyntaxError):
        MessageSummary.parse(body)


@given(st.binary(max_size=100))
def test_summary_garbage_is_parsed_or_rejected(junk: bytes) -> None:
    MessageSummary.parse(b"Messages-Waiting: yes\r\n" + junk)
