"""What the dialplan recorded while the service was down becomes a message, once; what it cannot be is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ivr.audio import wav
from ivr.directory.people import Account
from ivr.mailbox.alone import named
from tests.support.house import NOON, House

SPEECH = b"\x10\x20" * 16_000


def left(house: House, name: str, speech: bytes = SPEECH) -> Path:
    """A file as the dialplan's Record() leaves it when Asterisk is killed."""
    path = house.app.recordings.takes / name
    path.write_bytes(wav.header(0) + speech)
    return path


def alone(account: str = "demo", box: str = "1000", caller: str = "2001", at: int = NOON - 60) -> str:
    return f"alone-{account}-{box}-{caller}-{at}-14628816000012.wav"


async def starts(house: House) -> list[str]:
    """The service starts and looks around for a minute; what it logged as kept, dropped or adopted."""
    with capture_logs() as logs:
        for _ in range(20):
            await house.app.adoption.turn()
            house.clock.advance(s=3)
    return [entry["event"] for entry in logs if str(entry["event"]).startswith("alone.")]


async def test_it_becomes_a_message_once(house: House) -> None:
    box = await house.box()
    path = left(house, alone())
    await starts(house)
    [message] = await house.messages(box)
    assert (message.length_ms, message.caller.number, message.time) == (2000, "2001", NOON - 60)
    assert (message.from_uri, message.to_uri) == ("2001@demo.example", "1000@demo.example")
    assert house.app.recordings.message(box.account_id, message.id).read_bytes()[:44] == wav.header(32_000)
    assert not path.exists()


async def test_a_crash_before_its_file_goes_makes_no_second_one(house: House) -> None:
    box = await house.box()
    content = left(house, alone()).read_bytes()
    await starts(house)
    (house.app.recordings.takes / alone()).write_bytes(content)
    await starts(house)
    assert len(await house.messages(box)) == 1
    [message] = await house.messages(box)
    await house.app.messages.remove(box.id, [message.id])
    house.clock.advance(s=8 * 86_400)
    await house.app.sweeper.turn()
    (house.app.recordings.takes / alone()).write_bytes(content)
    await starts(house)
    assert await house.messages(box) == [], "not even when it has come and gone meanwhile"


async def test_one_that_is_still_recorded_is_left_alone(house: House) -> None:
    box = await house.box()
    for seconds in range(1, 6):
        left(house, alone(), SPEECH * seconds)
        await house.app.adoption.turn()
        house.clock.advance(s=4)
    assert await house.messages(box) == []


@pytest.mark.parametrize("account", ["demo", "demoexample"])
async def test_the_account_by_name_or_realm_without_what_the_dialplan_leaves_out(house: House, account: str) -> None:
    box = await house.box()
    left(house, alone(account))
    await starts(house)
    assert len(await house.messages(box)) == 1


async def test_without_an_account_the_only_one_that_has_the_box(house: House) -> None:
    box = await house.box(aliases=["5550123"])
    await house.app.directory.create_account(Account(name="other", realm="other.example"))
    left(house, alone(account="", box="5550123"))
    await starts(house)
    assert len(await house.messages(box)) == 1


async def test_an_anonymous_caller_has_no_number(house: House) -> None:
    box = await house.box()
    left(house, alone(caller="anonymous"))
    await starts(house)
    [message] = await house.messages(box)
    assert (message.caller.number, message.from_uri) == ("", "anonymous@demo.example")


async def test_one_shorter_than_the_minimum_is_not_kept(house: House) -> None:
    box = await house.box()
    path = left(house, alone(), SPEECH[:3000])
    assert await starts(house) == ["alone.dropped"]
    assert await house.messages(box) == []
    assert not path.exists()


@pytest.mark.parametrize(
    "name",
    [
        alone(box="4711"), alone(account="nobody"), "alone-.wav", "alone-demo-1000.wav",
        "alone-demo-1000-2001-soon-1.wav",
        "alone-demo-../../etc-2001-1462881540-1.wav".replace("/", "_"), alone(at=NOON + 400_000_000), alone() + ".bak",
    ],
)  # fmt: skip
async def test_what_belongs_to_no_box_is_kept_and_told_once_with_the_remedy(house: House, name: str) -> None:
    await house.box()
    path = left(house, name)
    with capture_logs() as logs:
        for _ in range(20):
            await house.app.adoption.turn()
            house.clock.advance(s=3)
    [told] = [entry for entry in logs if entry["event"] == "alone.kept"]
    assert told["remedy"]
    assert told["file"] == str(path)
    assert path.exists()


async def test_what_is_no_recording_is_kept_too(house: House) -> None:
    await house.box()
    path = left(house, alone())
    path.write_bytes(b"something else altogether" * 1000)
    assert await starts(house) == ["alone.kept"]
    assert path.exists()


async def test_a_box_made_afterwards_gets_it(house: House) -> None:
    left(house, alone())
    assert await starts(house) == ["alone.kept"]
    box = await house.box()
    await starts(house)
    assert len(await house.messages(box)) == 1


@given(st.text(max_size=60))
def test_no_name_breaks_it(text: str) -> None:
    found = named(Path("/takes") / f"alone-{text.replace('/', '')}.wav", NOON)
    assert found is None or found.message_id
