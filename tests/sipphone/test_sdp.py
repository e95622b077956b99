"""Session descriptions: what Asterisk sends, and what cannot be used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sipphone.message import SipSyntaxError
from tests.sipphone.sdp import Session

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


def test_honours_the_payload_type_of_the_other_side() -> None:
    assert Session.parse(ASTERISK) == Session("127.0.0.1", 16002, 97)


def test_the_address_of_the_stream_comes_before_that_of_the_session() -> None:
    body = ASTERISK.replace(b"a=ptime:20", b"c=IN IP4 127.0.0.9\r\na=ptime:20")
    assert Session.parse(body).host == "127.0.0.9"


def test_a_side_that_takes_no_keys() -> None:
    assert Session.parse(ASTERISK.replace(b"0 97", b"0")).events is None


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        ASTERISK.replace(b"AVP 0 97", b"AVP 8 97"),
        ASTERISK.replace(b"16002", b"0"),
        ASTERISK.replace(b"c=IN IP4 127.0.0.1", b"b=AS:64").partition(b"m=video")[0],
    ],
)
def test_refuses_what_has_no_pcmu(broken: bytes) -> None:
    with pytest.raises(SipSyntaxError):
        Session.parse(broken)


@given(st.integers(1, 65535), st.one_of(st.none(), st.integers(96, 127)))
def test_parses_what_it_builds(port: int, events: int | None) -> None:
    session = Session("127.0.0.1", port, events)
    assert Session.parse(session.encode()) == session
