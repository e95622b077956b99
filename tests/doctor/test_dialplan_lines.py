"""Lines of a site's dialplan that pass text of a caller on, in the output of Asterisk's `dialplan show`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ivr.doctor.dialplan_lines import check_arguments
from ivr.health.finding import Level

SHOWN = """
[ Context '{context}' created by 'pbx_config' ]
  '1000' =>         1. Dial(PJSIP/alice-desk,20)                  [extensions.conf:8]
  '{extension}' =>  1. NoOp()                                     [extensions.conf:9]
     [leave]        2. {line}                                     [extensions.conf:10]

-= 2 extensions (3 priorities) in 1 context. =-
"""
LEAVE = "Gosub(ivr-leave,s,1(number={}))"


@pytest.mark.parametrize(
    ("extension", "line", "is_named"),
    [
        ("_X.", LEAVE.format("${EXTEN}"), True),
        ("_9!", LEAVE.format("${EXTEN:1}"), True),
        ("_X.", 'GosubIf($["${A}" = "1"]?ivr-leave,s,1(number=${EXTEN}))', True),
        ("_X.", "AGI(agi://127.0.0.1:4573/leave,number=${EXTEN})", True),
        ("1000", LEAVE.format("1000,caller=${CALLERID(num)}"), True),
        ("_X.", LEAVE.format("${FILTER(0-9,${EXTEN})}"), False),
        ("_X.", LEAVE.format("1000"), False),
        ("_1XXX", LEAVE.format("${EXTEN}"), False),
        ("1001", LEAVE.format("${EXTEN}"), False),
        ("_X.", "Gosub(own-routine,s,1(${EXTEN}))", False),
        ("_X.", "Dial(PJSIP/${EXTEN}@trunk)", False),
    ],
)
def test_line_that_a_caller_can_add_arguments_to_is_named(extension: str, line: str, is_named: bool) -> None:
    shown = SHOWN.format(context="from-trunk", extension=extension, line=line)
    asterisk: Any = SimpleNamespace(run_command=lambda _: shown)
    [finding] = check_arguments(asterisk)
    assert (finding.level is Level.WARNING) is is_named, finding
    assert (f"{extension} in [from-trunk]" in finding.what) is is_named


def test_lines_of_ivr_itself_are_not_named() -> None:
    shown = SHOWN.format(context="ivr-phones", extension="_X.", line=LEAVE.format("${EXTEN}"))
    asterisk: Any = SimpleNamespace(run_command=lambda _: shown)
    assert [finding.level for finding in check_arguments(asterisk)] == [Level.OK]
