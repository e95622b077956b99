"""SIP messages: what is parsed is what was built, and what is no message is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.sip_phone.sip_message import SipAddress, SipMessage, SipSyntaxError, host_port, parse_message

INVITE = (
    b"INVITE sip:100@10.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.2:5062;branch=z9hG4bKa1;rport, SIP/2.0/UDP b\r\n"
    b'f: "A, \\"B\\" <C>" <sip:a@h>;tag=88\r\nTo:sip:100@h\r\nCall-ID : x1\r\nCSeq: 7 INVITE\r\n'
    b"Subject: one\r\n  two\r\nl: 4\r\n\r\nbody and more"
)
TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60).map(str.strip)


def test_compact_folded_and_quoted_headers_are_parsed() -> None:
    message = parse_message(INVITE)
    assert (message.method, message.status, message.cseq()) == ("INVITE", 0, (7, "INVITE"))
    assert message.branch() == "z9hG4bKa1"
    assert [via.split(";")[0] for via in message.list_values("Via")] == ["SIP/2.0/UDP 10.0.0.2:5062", "SIP/2.0/UDP b"]
    caller = SipAddress.parse(message.get("From"))
    assert (caller.display, caller.user, caller.params) == ('A, "B" <C>', "a", {"tag": "88"})
    assert message.get("Subject") == "one two"
    assert message.get("call-id") == "x1"
    assert message.body == b"body"


def test_response_is_parsed() -> None:
    message = parse_message(b"SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n")
    assert (message.method, message.status, message.reason) == ("", 486, "Busy Here")


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\x01\x02",
        b"INVITE sip:a SIP/2.0\r\n",
        b"INVITE sip:a SIP/3.0\r\n\r\n",
        b"SIP/2.0 999 No\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\nno colon\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\nContent-Length: 9\r\n\r\nshort",
        b"INVITE sip:a SIP/2.0\r\nl: many\r\n\r\n",
    ],
)
def test_non_sip_datagram_is_rejected(datagram: bytes) -> None:
    with pytest.raises(SipSyntaxError):
        parse_message(datagram)


@pytest.mark.parametrize("cseq", ["", "INVITE", "x INVITE", "1 invite"])
def test_invalid_cseq_is_rejected(cseq: str) -> None:
    with pytest.raises(SipSyntaxError):
        SipMessage("OPTIONS sip:a SIP/2.0", [("CSeq", cseq)]).cseq()


def test_header_with_line_break_is_rejected() -> None:
    with pytest.raises(SipSyntaxError):
        SipMessage("OPTIONS sip:a SIP/2.0", [("X", "a\r\nEvil: yes")]).encode()


@given(headers=st.lists(st.tuples(TOKEN, VALUE), max_size=8), body=st.binary(max_size=80))
def test_sip_message_round_trips(headers: list[tuple[str, str]], body: bytes) -> None:
    long_names = [(name, value) for name, value in headers if len(name) > 1]
    message = SipMessage("OPTIONS sip:a@b SIP/2.0", long_names, body)
    assert parse_message(message.encode()) == message


@given(
    st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda junk: INVITE[:80] + junk + INVITE[90:])), VALUE
)
def test_garbage_is_refused_or_read_but_never_breaks_anything(datagram: bytes, value: str) -> None:
    for data in (datagram, SipMessage("OPTIONS sip:a SIP/2.0", [("Via", value), ("CSeq", value)]).encode()):
        try:
            message = parse_message(data)
            message.branch()
            SipAddress.parse(message.get("Via"))
            message.cseq()
        except SipSyntaxError:
            pass


@given(VALUE | st.text('\\"<>,;= a', max_size=20).map(str.strip), TOKEN)
def test_an_address_survives_being_written(display: str, tag: str) -> None:
    address = SipAddress("sip:u@127.0.0.1:5070", display, {"tag": tag})
    assert SipAddress.parse(str(address)) == address


def test_uri_host_and_port_are_parsed() -> None:
    assert host_port("sip:user@127.0.0.1:5070;lr") == ("127.0.0.1", 5070)
    assert host_port("sip:example.org") == ("example.org", 5060)
    for uri in ("tel:123", "sip:", "sip:a@h:99999"):
        with pytest.raises(SipSyntaxError):
            host_port(uri)
