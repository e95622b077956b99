"""Lines of a site's dialplan that pass text of a caller on, in the output of Asterisk's `dialplan show`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ivr.doctor.console import parse_dialplan
from ivr.doctor.dialplan_lines import check_arguments, names_account
from ivr.doctor.installation import RunningAsterisk
from ivr.health.finding import Level

SHOWN = """
[ Context '{context}' created by 'pbx_config' ]
  '1000' =>         1. Dial(PJSIP/alice-desk,20)                  [extensions.conf:8]
  '{extension}' =>  1. NoOp()                                     [extensions.conf:9]
     [leave]        2. {line}                                     [extensions.conf:10]

-= 2 extensions (3 priorities) in 1 context. =-
"""


def running(shown: str) -> RunningAsterisk:
    console: Any = SimpleNamespace(run_command=lambda _: shown)
    installation: Any = SimpleNamespace(console=console)
    return RunningAsterisk(installation)


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
    [finding] = check_arguments(running(shown))
    assert (finding.level is Level.WARNING) is is_named, finding
    assert (f"{extension} in [from-trunk]" in finding.what) is is_named


def test_lines_of_ivr_itself_are_not_named() -> None:
    shown = SHOWN.format(context="ivr-phones", extension="_X.", line=LEAVE.format("${EXTEN}"))
    assert [finding.level for finding in check_arguments(running(shown))] == [Level.OK]


@pytest.mark.parametrize(
    ("context", "line", "is_named"),
    [
        ("from-trunk", "Set(IVR_ACCOUNT=acme)", True),
        ("from-trunk", "ExecIf($[1]?Set(__IVR_ACCOUNT=${DB(a/b)}))", True),
        ("from-trunk", "Gosub(ivr-unanswered,s,1(1000@acme))", True),
        ("from-trunk", "Gosub(ivr-leave,s,1(number=1000,account=acme))", True),
        ("from-trunk", "Gosub(ivr-unanswered,s,1(1000@default))", False),
        ("from-trunk", "Set(IVR_ACCOUNT=)", False),
        ("from-phones", "Dial(PJSIP/1000@trunk)", False),
        ("ivr-mailbox", "Set(IVR_ACCOUNT=${ARG1})", False),
    ],
)
def test_account_is_named_by_lines_of_the_site_that_lead_to_ivr(context: str, line: str, is_named: bool) -> None:
    shown = SHOWN.format(context=context, extension="_X.", line=line)
    assert names_account(parse_dialplan(shown).values()) is is_named


def test_dialplan_is_parsed_as_asterisk_prints_it() -> None:
    shown = parse_dialplan(
        """
[ Context 'from-phones' created by 'pbx_config' ]
  '1000' =>         hint: PJSIP/alice-desk                        [extensions.conf:7]
                    1. Dial(PJSIP/alice-desk,20)                  [extensions.conf:8]
     [busy]         2. Gosub(ivr-unanswered,s,1(1000))            [extensions.conf:9]
  '_X.' (CID match '4930') => 1. Set(A=${B[1]})                   [extensions.conf:10]
  Include =>        'ivr-phones'                                  [pbx_config]

[ Context 'empty' created by 'pbx_config' ]

-= 2 extensions (4 priorities) in 2 contexts. =-
"""
    )
    phones, empty = shown.values()
    assert (phones.name, phones.extensions, phones.includes) == ("from-phones", ["1000", "_X."], ["ivr-phones"])
    assert [(line.extension, line.source) for line in phones.lines[1:]] == [
        ("1000", "extensions.conf:8"), ("1000", "extensions.conf:9"), ("_X.", "extensions.conf:10")
    ]  # fmt: skip
    assert phones.lines[2].application == "Gosub(ivr-unanswered,s,1(1000))"
    assert (empty.name, empty.lines) == ("empty", [])
