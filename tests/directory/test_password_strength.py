"""The rule for new passwords."""

from __future__ import annotations

import pytest

from ivr.directory.credentials import kazoo_credentials_md5
from ivr.directory.password_strength import find_password_weakness
from ivr.errors import InvalidFields
from tests.support.app_fixture import AppFixture

NAMES = ["alice", "Alice Bücher", "alice@demo.example"]


@pytest.mark.parametrize(
    "passwords",
    [
        "password Password1 P4ssw0rd! Passw0rd2024 p@ssw0rd passwordpassword \uff30\uff41ssword passwort1 iloveyou",
        "qwertyuiop 1q2w3e4r q1w2e3r4 1qaz2wsx zaq12wsx qwer1234 abcd1234 12345678 87654321 asdfghjkl",
        "11111111 12341234 abcabcabc 11223344 aabbaabb 19871987 01011990 asdfasdf",
        "alicealice alice2024 Alice-1234 bücher99 demo.example aliceDEMO1",
        "voicemail asterisk1 freepbx! Welcome2026! Summer2025! changeme admin123",
    ],
    ids=["words", "rows of keys", "repetitions", "names", "systems"],
)
def test_password_that_is_tried_first_is_refused(passwords: str) -> None:
    assert [password for password in passwords.split() if not find_password_weakness(password, NAMES)] == []


def test_password_of_ones_own_is_accepted_whatever_it_is_made_of() -> None:
    passwords = [
        "correct horse",
        "password of the lighthouse",
        "739104739",
        "xkcdfan9",
        "日本語のパスワード",
        "h8Fj2kLq",
    ]
    assert [password for password in passwords if find_password_weakness(password, NAMES)] == []


async def test_common_password_is_refused_and_the_earlier_one_goes_on(app: AppFixture) -> None:
    credentials = app.container.credentials
    await credentials.set(app.alice, "alice", "correct horse")
    for weak in ("password", "alice-login-2026", "x" * 257):
        with pytest.raises(InvalidFields, match="password"):
            await credentials.set(app.alice, "alice-login", weak)
    assert await credentials.authenticate(app.alice.account_id, kazoo_credentials_md5("alice", "correct horse"))
