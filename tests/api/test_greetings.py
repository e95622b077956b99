"""Greetings and names over REST, and what callers hear."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.mailbox.mailbox import Mailbox
from tests.api.conftest import RestClient, data_files, encode_audio, tone
from tests.support.app_fixture import AppFixture


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


async def greeting_heard_by_caller(app: AppFixture, box: Mailbox) -> list[str]:
    """Return the texts of the greeting and the name that the menus play."""
    box, greetings = await app.container.boxes.get(box.id), app.container.voicemail_services.greetings
    return [sound.text for sound in (await greetings.find_greeting(box), await greetings.find_name(box)) if sound]


@pytest.mark.parametrize(("kind", "heard"), [("unavailable", "(greeting of 1000)"),
                                             ("temporary_unavailable", "(temporary greeting of 1000)"),
                                             ("name", "(name of 1000)")])  # fmt: skip
async def test_uploaded_greeting_is_heard_by_callers(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path, kind: str, heard: str
) -> None:
    content = encode_audio(tmp_path, ".mp3", 1500)
    path = f"/{box.id}/greetings/{kind}"
    made = await rest.request("PUT", f"{path}/raw", content=content, headers={"Content-Type": "audio/mpeg"})
    assert (made.status_code, made.json()["data"]["kind"]) == (201, kind)
    assert await greeting_heard_by_caller(app, box) == [heard]
    assert (await rest.request("GET", f"{path}/raw")).content == content
    wav = await rest.request("GET", f"{path}/raw", headers={"Accept": "audio/wav"})
    assert (wav.headers["content-type"], wav.content[:4]) == ("audio/x-wav", b"RIFF")
    await rest.request_ok("DELETE", path)
    assert await greeting_heard_by_caller(app, box) == []
    for method, where in (("GET", f"{path}/raw"), ("DELETE", path)):
        envelope = await rest.request_error(404, method, where)
        assert envelope["data"]["cause"] == kind


async def test_greeting_without_audio_is_rejected(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    before = data_files(app)
    path = f"/{box.id}/greetings/unavailable/raw"
    await rest.request_error(400, "PUT", path, content=b"not audio", headers={"Content-Type": "audio/mpeg"})
    await rest.request_error(400, "PUT", path, {"a": 1})
    await rest.request_error(404, "PUT", f"/{box.id}/greetings/welcome/raw", content=tone())
    assert data_files(app) == before


async def test_owner_of_unconfigurable_box_cannot_change_greeting(alice_rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice, not_configurable=True)
    audio = {"content": tone(), "headers": {"Content-Type": "audio/wav"}}
    await alice_rest.request_error(403, "PUT", f"/{box.id}/greetings/unavailable/raw", **audio)
    await app.container.boxes.patch(box, {"not_configurable": False})
    await alice_rest.request_ok("PUT", f"/{box.id}/greetings/unavailable/raw", **audio)
