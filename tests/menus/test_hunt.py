"""A caller dials another extension from within the greeting."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.call.scripted import HangUp, Press, ScriptedCall, Silence, Speak, Step
from ivr.menus.hunt import matches
from tests.support.house import House

CONTEXT = "ivr-hunt"
INVITATION = "If you know the extension you want, dial it now."
NOT_THERE = "I am sorry, there is no such extension."
TRANSFERRING = "Transferring your call."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
THERE = ("101", "102", "7", "0123", "9005550100")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose callers may dial what is in a context of its dialplan."""
    voicemail = {"hunt_context": CONTEXT, "operator_context": "ivr-operator"}
    house = await House(tmp_path / "site", voicemail=voicemail).open()
    yield house
    house.close()


async def reach(house: House, *script: Step, arguments: dict[str, str] | None = None, **box: Any) -> ScriptedCall:
    await house.box(**box)
    extensions = [*((CONTEXT, name) for name in THERE), ("ivr-operator", "0")]
    return await house.call(script, path="leave", number="1000", extensions=extensions, **(arguments or {}))


async def test_the_invitation_stands_between_greeting_and_instructions(site: House) -> None:
    phone = await reach(site, Speak(3000, then="hang-up"))
    assert phone.texts[1:] == [INVITATION, INSTRUCTIONS, BEEP]


@pytest.mark.parametrize("during", ["The person", "If you know", "Please leave"])
async def test_an_extension_can_be_dialled_at_any_moment(site: House, during: str) -> None:
    phone = await reach(site, Press("101", during=during), Silence())
    assert phone.texts[-1] == TRANSFERRING
    assert phone.branch == (CONTEXT, "101")
    assert phone.status == "BRANCH"


async def test_or_typed_ahead(site: House) -> None:
    phone = await reach(site, Press("101#"))
    assert phone.branch == (CONTEXT, "101")


async def test_what_is_pressed_too_much_does_not_cut_what_is_said(site: House) -> None:
    phone = await reach(site, Press("101#99"))
    assert phone.heard[-1].text == TRANSFERRING


async def test_pound_ends_it_at_once(site: House) -> None:
    before = site.clock.now()
    phone = await reach(site, Press("101#", during="The person"))
    assert phone.branch == (CONTEXT, "101")
    assert site.clock.now() - before < 2


@pytest.mark.parametrize(
    ("own", "asked", "wait_s"), [(None, {}, 2), (700, {"interdigit_timeout": "900"}, 0.7),
                                 (None, {"interdigit_timeout": "900"}, 0.9)],
)  # fmt: skip
async def test_the_pause_that_ends_it_is_the_boxs_then_the_dialplans(
    site: House, own: int | None, asked: dict[str, str], wait_s: float
) -> None:
    before = site.clock.now()
    phone = await reach(site, Press("101"), arguments=asked, interdigit_timeout=own)
    assert phone.branch == (CONTEXT, "101")
    said_s = phone.heard[-1].to_ms / 1000
    assert site.clock.now() - before == pytest.approx(wait_s + said_s)


async def test_a_single_digit_of_the_sites_own_works_too(site: House) -> None:
    """What a child of the same menu is in Kazoo."""
    assert (await reach(site, Press("7"))).branch == (CONTEXT, "7")


async def test_zero_alone_is_the_operator_and_may_begin_an_extension(site: House) -> None:
    assert (await reach(site, Press("0"), Silence())).branch == ("ivr-operator", "0")
    phone = await site.call(
        [Press("0123#")], path="leave", number="1000", extensions=[(CONTEXT, "0123"), ("ivr-operator", "0")]
    )
    assert phone.branch == (CONTEXT, "0123")


async def test_star_still_signs_in_and_pound_still_goes_to_the_beep(site: House) -> None:
    phone = await reach(site, Press("*", during="If you know"), HangUp(during="pin"))
    assert phone.texts[-1] == "Please enter your pin, then press pound."
    phone = await site.call([Press("#"), Speak(900, then="hang-up")], path="leave", number="1000")
    assert phone.texts[1:] == [BEEP], "at once: it is no extension that is not there"


async def test_who_dials_nothing_leaves_a_message(site: House) -> None:
    phone = await reach(site, Speak(3000), Press("1"))
    assert phone.branch is None
    assert phone.texts[-1] == "Your message has been saved. Thank you. Goodbye."


async def test_three_wrong_extensions_lead_to_the_beep(site: House) -> None:
    wrong = [Press("555#", during="The person"), Press("556#", during="dial it"), Press("557#", during="dial it")]
    phone = await reach(site, *wrong, Speak(3000, then="hang-up"))
    assert phone.texts[1:] == [NOT_THERE, INVITATION, NOT_THERE, INVITATION, NOT_THERE, INSTRUCTIONS, BEEP]


async def test_keys_work_after_a_wrong_extension(site: House) -> None:
    phone = await reach(site, Press("555#"), Press("*", during="dial it"), HangUp(during="pin"))
    assert phone.texts[-1] == "Please enter your pin, then press pound."
    phone = await site.call(
        [Press("555#"), Press("101#", during="dial it")], path="leave", number="1000", extensions=[(CONTEXT, "101")]
    )
    assert phone.branch == (CONTEXT, "101")


async def test_a_wrong_extension_forgets_what_was_typed_behind_it(site: House) -> None:
    phone = await reach(site, Press("555#101#"), HangUp(during="dial it"))
    assert phone.branch is None


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
        ({"hunt_allow": "("}, "101", False),
        ({"hunt_deny": "("}, "101", True),
        ({"hunt_deny": "^9"}, "9005550100", False),
    ],
)
async def test_the_box_says_which_extensions_may_be_dialled(
    site: House, settings: dict[str, Any], dialled: str, goes: bool
) -> None:
    phone = await reach(site, Press(f"{dialled}#"), HangUp(during="dial it"), **settings)
    assert phone.branch == ((CONTEXT, dialled) if goes else None)
    assert (NOT_THERE in phone.texts) is not goes


@pytest.mark.parametrize("dialled", ["10*1", "1" * 21])
async def test_what_is_no_extension_goes_nowhere(site: House, dialled: str) -> None:
    await site.box()
    phone = await site.call(
        [Press(f"{dialled}#"), HangUp(during=INVITATION)], path="leave", number="1000", extensions=[(CONTEXT, dialled)]
    )
    assert phone.branch is None


@pytest.mark.parametrize("box", [{"hunt": False}, {}])
async def test_it_is_not_offered_where_box_or_site_does_not_want_it(
    house: House, site: House, box: dict[str, Any]
) -> None:
    here = site if box else house
    phone = await reach(here, Press("101", during="The person"), Speak(900, then="hang-up"), **box)
    assert INVITATION not in phone.texts
    assert phone.branch is None
    assert phone.texts[-1] == BEEP


async def test_boxes_hunt_unless_they_say_otherwise(site: House) -> None:
    """As the seed's schema has it; a box that is stored without the key does not, as in Kazoo."""
    box = await site.box()
    assert box.settings.hunt is True
    await site.app.database.write(
        lambda c: c.execute("UPDATE boxes SET settings = json_remove(settings, '$.hunt')").rowcount
    )
    assert (await site.app.boxes.get(box.id)).settings.hunt is False


@pytest.mark.parametrize(
    "pattern", [r"(\d+)+x", r"(\d*)*(\d*)*(\d*)*(\d*)*x", "(1|11)+x", "(?:1?){20}1{20}x", "(?:(?:1{1000}){1000}){1000}"]
)
def test_no_pattern_can_keep_a_caller_waiting(pattern: str) -> None:
    began = time.process_time()
    assert matches(pattern, "1" * 20) is False
    assert time.process_time() - began < 1


@given(st.text(max_size=256), st.text("0123456789", min_size=1, max_size=20))
def test_no_pattern_breaks_a_call(pattern: str, digits: str) -> None:
    assert matches(pattern, digits) in (True, False)
