"""Digest authentication against the example of RFC 2617 §3.5."""

from __future__ import annotations

import pytest

from tests.lab.sip_phone.digest import Challenge
from tests.lab.sip_phone.sip_message import SipSyntaxError

EXAMPLE = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


def test_digest_matches_rfc_2617_example() -> None:
    answer = Challenge.choose([EXAMPLE]).answer("Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in answer
    for field in (
        'username="Mufasa"',
        'realm="testrealm@host.com"',
        'uri="/dir/index.html"',
        "qop=auth",
        "nc=00000001",
        'cnonce="0a4f113b"',
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
    ):
        assert field in answer


def test_digest_without_qop_is_rfc_2069() -> None:
    answer = Challenge.choose(['Digest realm="r", nonce="n"']).answer("u", "p", "REGISTER", "sip:h", "c")
    # md5(md5("u:r:p") + ":n:" + md5("REGISTER:sip:h"))
    assert 'response="f7949f33797a7abbe390eaa95b1ca294"' in answer
    assert "cnonce" not in answer


def test_digest_chooses_md5_challenge() -> None:
    headers = [
        'Basic realm="a"',
        'Digest realm="b", nonce="1", algorithm=SHA-256',
        'Digest realm="c", nonce="2", algorithm=md5, stale=TRUE',
        EXAMPLE,
    ]
    chosen = Challenge.choose(headers)
    assert (chosen.realm, chosen.stale, chosen.qop) == ("c", True, False)
    with pytest.raises(SipSyntaxError):
        Challenge.choose(headers[:2])
