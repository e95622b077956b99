"""Session descriptions: what Asterisk sends, and what cannot be used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.sip_phone.sdp import SessionDescription
from tests.lab.sip_phone.sip_message import SipSyntaxError

ASTERISK = b"""v=0\r
o=- 1234 1236 IN IP4 10.1.1.1\r
s=Asterisk\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=audio 16002 RTP/AVP 0 97\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:97 telephone-event/8000\r
a=fmtp:97 0-16\r
a=ptime:20\r
a=sendrecv\r
m=video 16004 RTP/AVP 99\r
c=IN IP4 10.9.9.9\r
"""


def test_telephone_event_payload_type_of_peer_is_used() -> None:
    assert SessionDescription.parse(ASTERISK) == SessionDescription("127.0.0.1", 16002, 97)


def test_the_address_of_the_stream_comes_before_that_of_the_session() -> None:
    body = ASTERISK.replace(b"a=ptime:20", b"c=IN IP4 127.0.0.9\r\na=ptime:20")
    assert SessionDescription.parse(body).host == "127.0.0.9"


def test_sdp_without_telephone_event_is_accepted() -> None:
    assert SessionDescription.parse(ASTERISK.replace(b"0 97", b"0")).telephone_event_payload is None


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        ASTERISK.replace(b"AVP 0 97", b"AVP 8 97"),
        ASTERISK.replace(b"16002", b"0"),
        ASTERISK.replace(b"c=IN IP4 127.0.0.1", b"b=AS:64").partition(b"m=video")[0],
    ],
)
def test_sdp_without_pcmu_is_rejected(broken: bytes) -> None:
    with pytest.raises(SipSyntaxError):
        SessionDescription.parse(broken)


@given(st.integers(1, 65535), st.one_of(st.none(), st.integers(96, 127)))
def test_sdp_round_trips(port: int, events: int | None) -> None:
    session = SessionDescription("127.0.0.1", port, events)
    assert SessionDescription.parse(session.encode()) == session
