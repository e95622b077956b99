"""Hunting: a caller dials another extension during the greeting."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import InvalidFields
from ivr.menus.hunt import matches
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Silence, Speak

CONTEXT = "ivr-hunt"
INVITATION = "If you know the extension you want, dial it now."
NOT_THERE = "I am sorry, there is no such extension."
TRANSFERRING = "Transferring your call."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
EXTENSIONS = ("101", "102", "7", "0123", "9005550100")


@pytest.fixture
async def hunt_app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """An installation with a hunt context."""
    voicemail = {"hunt_context": CONTEXT, "operator_context": "ivr-operator"}
    app = await AppFixture(tmp_path / "site", voicemail=voicemail).open()
    yield app
    app.close()


async def call_box(
    app: AppFixture, *script: ScriptStep, arguments: dict[str, str] | None = None, **box: Any
) -> ScriptedCall:
    await app.create_box(**box)
    extensions = [*((CONTEXT, name) for name in EXTENSIONS), ("ivr-operator", "0")]
    return await app.run_call(script, path="leave", number="1000", extensions=extensions, **(arguments or {}))


async def test_hunt_invitation_plays_between_greeting_and_instructions(hunt_app: AppFixture) -> None:
    phone = await call_box(hunt_app, Speak(3000, then="hang-up"))
    assert phone.texts[1:] == [INVITATION, INSTRUCTIONS, BEEP]


@pytest.mark.parametrize("during", ["The person", "If you know", "Please leave"])
async def test_extension_can_be_dialled_at_any_moment(hunt_app: AppFixture, during: str) -> None:
    phone = await call_box(hunt_app, Press("101", during=during), Silence())
    assert phone.texts[-1] == TRANSFERRING
    assert phone.continue_target == (CONTEXT, "101")
    assert phone.status == "BRANCH"


async def test_extension_typed_ahead_is_dialled(hunt_app: AppFixture) -> None:
    phone = await call_box(hunt_app, Press("101#"))
    assert phone.continue_target == (CONTEXT, "101")


async def test_surplus_digits_do_not_interrupt_prompt(hunt_app: AppFixture) -> None:
    phone = await call_box(hunt_app, Press("101#99"))
    assert phone.heard_sounds[-1].text == TRANSFERRING


async def test_pound_ends_extension_entry(hunt_app: AppFixture) -> None:
    before = hunt_app.clock.now()
    phone = await call_box(hunt_app, Press("101#", during="The person"))
    assert phone.continue_target == (CONTEXT, "101")
    assert hunt_app.clock.now() - before < 2


@pytest.mark.parametrize(
    ("own", "arguments", "wait_s"), [(None, {}, 2), (700, {"interdigit_timeout": "900"}, 0.7),
                                 (None, {"interdigit_timeout": "900"}, 0.9)],
)  # fmt: skip
async def test_extension_entry_timeout_is_taken_from_box_then_dialplan(
    hunt_app: AppFixture, own: int | None, arguments: dict[str, str], wait_s: float
) -> None:
    before = hunt_app.clock.now()
    phone = await call_box(hunt_app, Press("101"), arguments=arguments, interdigit_timeout=own)
    assert phone.continue_target == (CONTEXT, "101")
    said_s = phone.heard_sounds[-1].to_ms / 1000
    assert hunt_app.clock.now() - before == pytest.approx(wait_s + said_s)


async def test_single_digit_site_extension_is_dialled(hunt_app: AppFixture) -> None:
    """In Kazoo this is a child of the same menu."""
    assert (await call_box(hunt_app, Press("7"))).continue_target == (CONTEXT, "7")


async def test_single_0_reaches_operator_and_may_start_extension(hunt_app: AppFixture) -> None:
    assert (await call_box(hunt_app, Press("0"), Silence())).continue_target == ("ivr-operator", "0")
    phone = await hunt_app.run_call(
        [Press("0123#")], path="leave", number="1000", extensions=[(CONTEXT, "0123"), ("ivr-operator", "0")]
    )
    assert phone.continue_target == (CONTEXT, "0123")


async def test_star_and_pound_keep_their_meaning_when_hunting(hunt_app: AppFixture) -> None:
    phone = await call_box(hunt_app, Press("*", during="If you know"), HangUp(during="pin"))
    assert phone.texts[-1] == "Please enter your pin, then press pound."
    phone = await hunt_app.run_call([Press("#"), Speak(900, then="hang-up")], path="leave", number="1000")
    assert phone.texts[1:] == [BEEP], "at once: # is not taken for an unknown extension"


async def test_caller_dialling_nothing_leaves_message(hunt_app: AppFixture) -> None:
    phone = await call_box(hunt_app, Speak(3000), Press("1"))
    assert phone.continue_target is None
    assert phone.texts[-1] == "Your message has been saved. Thank you. Goodbye."


async def test_three_wrong_extensions_lead_to_beep(hunt_app: AppFixture) -> None:
    wrong = [Press("555#", during="The person"), Press("556#", during="dial it"), Press("557#", during="dial it")]
    phone = await call_box(hunt_app, *wrong, Speak(3000, then="hang-up"))
    assert phone.texts[1:] == [NOT_THERE, INVITATION, NOT_THERE, INVITATION, NOT_THERE, INSTRUCTIONS, BEEP]


async def test_keys_work_after_wrong_extension(hunt_app: AppFixture) -> None:
    phone = await call_box(hunt_app, Press("555#"), Press("*", during="dial it"), HangUp(during="pin"))
    assert phone.texts[-1] == "Please enter your pin, then press pound."
    phone = await hunt_app.run_call(
        [Press("555#"), Press("101#", during="dial it")], path="leave", number="1000", extensions=[(CONTEXT, "101")]
    )
    assert phone.continue_target == (CONTEXT, "101")


async def test_wrong_extension_flushes_typeahead(hunt_app: AppFixture) -> None:
    phone = await call_box(hunt_app, Press("555#101#"), HangUp(during="dial it"))
    assert phone.continue_target is None


@pytest.mark.parametrize(
    ("settings", "dialled", "goes"),
    [
        ({"hunt_allow": "^10"}, "101", True),
        ({"hunt_allow": "^2"}, "101", False),
        ({"hunt_allow": "0"}, "101", True),
        ({"hunt_deny": "^10"}, "101", False),
        ({"hunt_deny": "^2"}, "101", True),
        ({"hunt_allow": "^10", "hunt_deny": "1$"}, "101", False),
        ({"hunt_allow": "^10", "hunt_deny": "1$"}, "102", True),
        ({"hunt_deny": "^9"}, "9005550100", False),
    ],
)
async def test_box_restricts_dialable_extensions(
    hunt_app: AppFixture, settings: dict[str, Any], dialled: str, goes: bool
) -> None:
    phone = await call_box(hunt_app, Press(f"{dialled}#"), HangUp(during="dial it"), **settings)
    assert phone.continue_target == ((CONTEXT, dialled) if goes else None)
    assert (NOT_THERE in phone.texts) is not goes


@pytest.mark.parametrize(("setting", "goes"), [("hunt_allow", False), ("hunt_deny", True)])
async def test_pattern_that_is_no_expression_matches_nothing(hunt_app: AppFixture, setting: str, goes: bool) -> None:
    with pytest.raises(InvalidFields):
        await hunt_app.create_box("1000", None, "1379", **{setting: "("})
    await hunt_app.store_unchecked(await hunt_app.create_box(), **{setting: "("})
    phone = await hunt_app.run_call([Press("101#"), HangUp(during="dial it")], path="leave", number="1000",
                                    extensions=[(CONTEXT, "101")])  # fmt: skip
    assert phone.continue_target == ((CONTEXT, "101") if goes else None)


@pytest.mark.parametrize("dialled", ["10*1", "1" * 21])
async def test_invalid_extension_is_not_dialled(hunt_app: AppFixture, dialled: str) -> None:
    await hunt_app.create_box()
    phone = await hunt_app.run_call(
        [Press(f"{dialled}#"), HangUp(during=INVITATION)], path="leave", number="1000", extensions=[(CONTEXT, dialled)]
    )
    assert phone.continue_target is None


@pytest.mark.parametrize("box", [{"hunt": False}, {}])
async def test_hunting_is_not_offered_when_disabled_by_box_or_site(
    app: AppFixture, hunt_app: AppFixture, box: dict[str, Any]
) -> None:
    here = hunt_app if box else app
    phone = await call_box(here, Press("101", during="The person"), Speak(900, then="hang-up"), **box)
    assert INVITATION not in phone.texts
    assert phone.continue_target is None
    assert phone.texts[-1] == BEEP


async def test_hunting_is_enabled_by_default(hunt_app: AppFixture) -> None:
    """The default is true for new mailboxes; a mailbox stored without the key has it disabled, as in Kazoo."""
    box = await hunt_app.create_box()
    assert box.settings.hunt is True
    await hunt_app.container.database.write(
        lambda c: c.execute("UPDATE boxes SET settings = json_remove(settings, '$.hunt')").rowcount
    )
    assert (await hunt_app.container.boxes.get(box.id)).settings.hunt is False


@pytest.mark.parametrize(
    "pattern", [r"(\d+)+x", r"(\d*)*(\d*)*(\d*)*(\d*)*x", "(1|11)+x", "(?:1?){20}1{20}x", "(?:(?:1{1000}){1000}){1000}"]
)
def test_extension_pattern_cannot_stall_call(pattern: str) -> None:
    began = time.process_time()
    assert matches(pattern, "1" * 20) is False
    assert time.process_time() - began < 1


@given(st.text(st.characters(exclude_characters=")"), max_size=256), st.text("0123456789", min_size=1, max_size=20))
def test_invalid_extension_pattern_matches_nothing(rest: str, digits: str) -> None:
    """An opening parenthesis that is never closed makes the pattern invalid, whatever follows."""
    assert matches(f"({rest}", digits) is False


@given(
    st.lists(st.sampled_from(["1", "23", ".", "^", "$", "[4-6]", "7?", "8+", "(9|0)"]), max_size=8).map("".join),
    st.text("0123456789", min_size=1, max_size=20),
)
def test_valid_extension_pattern_matches_anywhere_as_python_re_does(pattern: str, digits: str) -> None:
    assert matches(pattern, digits) is (re.search(pattern, digits) is not None)
