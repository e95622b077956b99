"""Greetings and names over REST, and what callers hear of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.mailbox.mailbox import Mailbox
from tests.api.conftest import Rest, encoded, files, tone
from tests.support.house import House


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", house.alice)


async def callers_hear(house: House, box: Mailbox) -> list[str]:
    """What the phone menus are given to play."""
    box, greetings = await house.app.boxes.get(box.id), house.app.mailroom.greetings
    return [sound.text for sound in (await greetings.greeting(box), await greetings.name(box)) if sound]


@pytest.mark.parametrize(("kind", "heard"), [("unavailable", "(greeting of 1000)"),
                                             ("temporary_unavailable", "(temporary greeting of 1000)"),
                                             ("name", "(name of 1000)")])  # fmt: skip
async def test_an_uploaded_greeting_is_what_callers_hear(
    rest: Rest, house: House, box: Mailbox, tmp_path: Path, kind: str, heard: str
) -> None:
    content = encoded(tmp_path, ".mp3", 1500)
    path = f"/{box.id}/greetings/{kind}"
    made = await rest.ask("PUT", f"{path}/raw", content=content, headers={"Content-Type": "audio/mpeg"})
    assert (made.status_code, made.json()["data"]["kind"]) == (201, kind)
    assert await callers_hear(house, box) == [heard]
    assert (await rest.ask("GET", f"{path}/raw")).content == content
    wav = await rest.ask("GET", f"{path}/raw", headers={"Accept": "audio/wav"})
    assert (wav.headers["content-type"], wav.content[:4]) == ("audio/x-wav", b"RIFF")
    await rest.ok("DELETE", path)
    assert await callers_hear(house, box) == []
    for method, where in (("GET", f"{path}/raw"), ("DELETE", path)):
        said = await rest.refused(404, method, where)
        assert said["data"]["cause"] == kind


async def test_what_is_no_greeting(rest: Rest, house: House, box: Mailbox) -> None:
    before = files(house)
    path = f"/{box.id}/greetings/unavailable/raw"
    await rest.refused(400, "PUT", path, content=b"no song", headers={"Content-Type": "audio/mpeg"})
    await rest.refused(400, "PUT", path, {"a": 1})
    await rest.refused(404, "PUT", f"/{box.id}/greetings/welcome/raw", content=tone())
    assert files(house) == before


async def test_the_owner_of_a_box_that_is_not_theirs_to_configure(alice: Rest, house: House) -> None:
    box = await house.box("1000", house.alice, not_configurable=True)
    audio = {"content": tone(), "headers": {"Content-Type": "audio/wav"}}
    await alice.refused(403, "PUT", f"/{box.id}/greetings/unavailable/raw", **audio)
    await house.app.boxes.patch(box, {"not_configurable": False})
    await alice.ok("PUT", f"/{box.id}/greetings/unavailable/raw", **audio)


async def test_a_box_whose_number_is_no_number(rest: Rest, house: House) -> None:
    box = await house.box("Büro \u2603")
    path = f"/{box.id}/greetings/unavailable/raw"
    await rest.ok("PUT", path, content=tone(), headers={"Content-Type": "audio/wav"})
    given = await rest.ask("GET", path)
    assert given.headers["content-disposition"].startswith('attachment; filename="unavailable_Buro.wav"')
