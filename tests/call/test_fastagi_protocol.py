"""The lines of AGI."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.call.fastagi import protocol
from ivr.call.fastagi.protocol import Reply
from ivr.errors import BadArgument, CallFailed
from ivr.terminal.fake_asterisk import _split_command as words_as_asterisk_splits_them


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_quoted_argument_round_trips(words: list[str]) -> None:
    line = protocol.format_command("SET VARIABLE", *words)
    assert line.count(b"\n") == 1
    assert words_as_asterisk_splits_them(line.decode().rstrip("\n")) == ["SET", "VARIABLE", *words]


@pytest.mark.parametrize("word", ["a\nHANGUP", "a\rb", "a\0b"])
def test_no_argument_can_begin_a_second_command(word: str) -> None:
    with pytest.raises(BadArgument):
        protocol.format_command("SET VARIABLE", "X", word)


def test_a_command_longer_than_asterisk_reads_is_refused() -> None:
    with pytest.raises(BadArgument):
        protocol.format_command("SET VARIABLE", "X", "y" * 9000)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("200 result=0", Reply(200, "0")),
        ("200 result=-1 endpos=160", Reply(200, "-1", None, 160)),
        ("200 result=49 endpos=8000", Reply(200, "49", None, 8000)),
        ("200 result=1 (PJSIP/alice (desk))", Reply(200, "1", "PJSIP/alice (desk)")),
        ("200 result=0 (timeout) endpos=24000", Reply(200, "0", "timeout", 24000)),
        ("200 result=1 ()", Reply(200, "1", "")),
        ("511 Command Not Permitted on a dead channel", Reply(511, "", "Command Not Permitted on a dead channel")),
        ("510 Invalid or unknown command", Reply(510, "", "Invalid or unknown command")),
    ],
)  # fmt: skip
def test_replies_are_read(line: str, reply: Reply) -> None:
    assert protocol.parse_reply(line) == reply


@given(st.text())
def test_unparsable_line_is_not_a_reply(line: str) -> None:
    try:
        protocol.parse_reply(line)
    except CallFailed as failure:
        assert "not an AGI reply" in str(failure)


def test_a_usage_text_has_a_first_and_a_last_line() -> None:
    assert protocol.is_usage_start("520-Invalid command syntax.  Proper usage follows:")
    assert protocol.is_usage_end("520 End of proper usage.")
    assert not protocol.is_usage_end("520-Invalid command syntax.")
