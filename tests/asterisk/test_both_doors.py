"""One mailbox, two doors: what happens at one is there at the other at once, during a call too."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.asterisk.conftest import Desk, Person, Recorded, eventually
from tests.asterisk.rig.lab import Notes
from tests.asterisk.test_forward import INTRO_MS, an_intro, to_the_beep
from tests.sipphone import Samples
from tests.sipphone.speech import speech


class Program:
    """Uses somebody's box over REST."""

    def __init__(self, url: str, token: str, account_id: str, box_id: str) -> None:
        self._base = f"{url}/v2/accounts/{account_id}/vmboxes/{box_id}/messages"
        self.http = httpx.AsyncClient(headers={"X-Auth-Token": token}, timeout=20)

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        return await self.http.request(method, f"{self._base}{path}", **how)

    async def ok(self, method: str, path: str, **how: Any) -> Any:
        answer = await self.ask(method, path, **how)
        assert answer.is_success, answer.text
        return answer.json()["data"]


@pytest.fixture
async def program(desk: Desk, notes: Notes) -> AsyncIterator[Callable[[Person], Program]]:
    """A program of the owner of a box."""
    made: list[Program] = []

    def of(person: Person) -> Program:
        made.append(Program(notes.rest, **desk.ask("program", number=person.number)))
        return made[-1]

    yield of
    for one in made:
        await one.http.aclose()


def as_wav(samples: Samples) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    return content.getvalue()


async def test_left_by_rest_it_is_heard_by_phone_and_what_the_phone_does_is_seen_by_rest(
    alice: Person, program: Callable[[Person], Program]
) -> None:
    alice.moves_in()
    rest = program(alice)
    samples = speech(int(alice.number) * 100, 4000)
    made = await rest.ok("PUT", "", json={"data": {"caller_id_number": "6001", "caller_id_name": "someone"}})
    await rest.ok("PUT", f"/{made['media_id']}/raw", content=as_wav(samples), headers={"Content-Type": "audio/wav"})
    message = Recorded(made["media_id"], samples)
    call = await alice.dials("*97")
    await call.hears("number/1", "count/new-message", "message/message", message)
    await call.press("1")
    await call.hears("done/saved")
    assert (await rest.ok("GET", f"/{message.id}"))["folder"] == "saved"
    await rest.ok("POST", f"/{message.id}", json={"data": {"folder": "new"}})
    await call.hang_up()
    call = await alice.dials("*97")
    await call.hears("number/1", "count/new-message", message)
    await call.hang_up()


async def test_deleted_by_rest_while_it_plays(alice: Person, program: Callable[[Person], Program]) -> None:
    alice.moves_in()
    rest = program(alice)
    first, second = alice.has_message(age_s=60, s=6), alice.has_message(age_s=120)
    call = await alice.dials("*97")
    await call.hears(first)
    await rest.ok("DELETE", f"/{first.id}")
    assert alice.folder_of(first) == "gone"
    await call.call.hears(first.clip, within_s=12, after_s=0, whole=True)  # Who hears it hears it to its end.
    await call.press("1")
    await call.hears("message/gone", "message/message", second)
    await call.hang_up()
    assert [m["id"] for m in alice.messages()] == [second.id]


async def test_other_audio_by_rest_while_it_plays(alice: Person, program: Callable[[Person], Program]) -> None:
    """Who hears it hears what they began with, again if they like; the next call has what came."""
    alice.moves_in()
    rest = program(alice)
    message, other = alice.has_message(s=6), speech(int(alice.number) * 100 + 50, 4000)
    call = await alice.dials("*97")
    await call.hears(message)
    await rest.ok("PUT", f"/{message.id}/raw", content=as_wav(other), headers={"Content-Type": "audio/wav"})
    await call.call.hears(message.clip, within_s=12, after_s=0, whole=True)
    await call.press("2")
    await call.hears("message/message", message)
    await call.hang_up()
    call = await alice.dials("*97")
    await call.press("2")
    await call.hears("message/message", Recorded(message.id, other))
    await call.hang_up()


async def test_forwarded_by_phone_with_an_intro_rest_gives_both_as_one(
    alice: Person, bob: Person, program: Callable[[Person], Program]
) -> None:
    alice.moves_in(vm_message_forward_type="prepend_forward")
    bob.moves_in(media_extension="wav")
    message, intro = alice.has_message(), an_intro(alice)
    call = await to_the_beep(alice, bob, message)
    await call.says(intro.samples)
    await call.hang_up()
    await eventually(bob.messages)
    rest = program(bob)
    [line] = await rest.ok("GET", "")
    answer = await rest.ask("GET", f"/{line['media_id']}/raw")
    assert answer.headers["content-type"] == "audio/x-wav"
    with wave.open(io.BytesIO(answer.content)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert len(heard) == line["length"] * 8
    assert abs(len(heard) / 8 - INTRO_MS - 4000) < 600
    assert np.array_equal(heard[-len(message.samples) :], message.samples)
    spoken = heard[: -len(message.samples)].astype(float)
    said = np.correlate(spoken, intro.samples[4000:12000].astype(float), "valid")
    assert said.max() > 0.8 * float(np.dot(*[intro.samples[4000:12000].astype(float)] * 2))
