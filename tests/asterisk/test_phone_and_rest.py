"""One mailbox, two doors: what happens at one is there at the other at once, during a call too."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser, SpokenMessage, wait_until
from tests.asterisk.test_forward import INTRO_MS, intro_speech, navigate_to_intro_beep
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import Samples
from tests.lab.sip_phone.speech import speech


class BoxRestClient:
    """REST client of one mailbox."""

    def __init__(self, url: str, token: str, account_id: str, box_id: str) -> None:
        self._base = f"{url}/v2/accounts/{account_id}/vmboxes/{box_id}/messages"
        self.http = httpx.AsyncClient(headers={"X-Auth-Token": token}, timeout=20)

    async def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        return await self.http.request(method, f"{self._base}{path}", **how)

    async def request_ok(self, method: str, path: str, **how: Any) -> Any:
        answer = await self.request(method, path, **how)
        assert answer.is_success, answer.text
        return answer.json()["data"]


@pytest.fixture
async def box_rest_client(admin: AdminClient, lab: LabInfo) -> AsyncIterator[Callable[[PhoneUser], BoxRestClient]]:
    """A program of the owner of a box."""
    made: list[BoxRestClient] = []

    def of(person: PhoneUser) -> BoxRestClient:
        made.append(BoxRestClient(lab.rest_url, **admin.request("create_api_token", number=person.number)))
        return made[-1]

    yield of
    for one in made:
        await one.http.aclose()


def wav_bytes(samples: Samples) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    return content.getvalue()


async def test_message_uploaded_by_rest_is_heard_by_phone_and_phone_changes_show_in_rest(
    alice: PhoneUser, box_rest_client: Callable[[PhoneUser], BoxRestClient]
) -> None:
    alice.create_user_and_box()
    rest = box_rest_client(alice)
    samples = speech(int(alice.number) * 100, 4000)
    made = await rest.request_ok("PUT", "", json={"data": {"caller_id_number": "6001", "caller_id_name": "someone"}})
    await rest.request_ok(
        "PUT", f"/{made['media_id']}/raw", content=wav_bytes(samples), headers={"Content-Type": "audio/wav"}
    )
    message = SpokenMessage(made["media_id"], samples)
    call = await alice.dial("*97")
    await call.expect("number/1", "count/new-message", "message/message", "number/1", message)
    await call.press("1")
    await call.expect("done/saved")
    assert (await rest.request_ok("GET", f"/{message.id}"))["folder"] == "saved"
    await rest.request_ok("POST", f"/{message.id}", json={"data": {"folder": "new"}})
    await call.hang_up()
    call = await alice.dial("*97")
    await call.expect("number/1", "count/new-message", message)
    await call.hang_up()


async def test_message_deleted_by_rest_during_playback_ends_cleanly(
    alice: PhoneUser, box_rest_client: Callable[[PhoneUser], BoxRestClient]
) -> None:
    alice.create_user_and_box()
    rest = box_rest_client(alice)
    first, second = alice.create_message(age_s=60, s=6), alice.create_message(age_s=120)
    call = await alice.dial("*97")
    await call.expect(first)
    await rest.request_ok("DELETE", f"/{first.id}")
    assert alice.folder_of(first) == "gone"
    await call.call.wait_for_clip(first.clip, within_s=12, after_s=0, whole=True)  # Who hears it hears it to its end.
    await call.press("1")
    await call.expect("message/gone", "message/message", "number/1", second)
    await call.hang_up()
    assert [m["id"] for m in alice.messages()] == [second.id]


async def test_audio_replaced_by_rest_during_playback_is_heard_next_call(
    alice: PhoneUser, box_rest_client: Callable[[PhoneUser], BoxRestClient]
) -> None:
    """Who hears it hears what they began with, again if they like; the next call has what came."""
    alice.create_user_and_box()
    rest = box_rest_client(alice)
    message, other = alice.create_message(s=6), speech(int(alice.number) * 100 + 50, 4000)
    call = await alice.dial("*97")
    await call.expect(message)
    await rest.request_ok("PUT", f"/{message.id}/raw", content=wav_bytes(other), headers={"Content-Type": "audio/wav"})
    await call.call.wait_for_clip(message.clip, within_s=12, after_s=0, whole=True)
    await call.press("2")
    await call.expect("message/message", "number/1", message)
    await call.hang_up()
    call = await alice.dial("*97")
    await call.press("2")
    await call.expect("message/message", "number/1", SpokenMessage(message.id, other))
    await call.hang_up()


async def test_message_forwarded_with_intro_is_one_audio_in_rest(
    alice: PhoneUser, bob: PhoneUser, box_rest_client: Callable[[PhoneUser], BoxRestClient]
) -> None:
    alice.create_user_and_box(vm_message_forward_type="prepend_forward")
    bob.create_user_and_box(media_extension="wav")
    message, intro = alice.create_message(), intro_speech(alice)
    call = await navigate_to_intro_beep(alice, bob, message)
    await call.say(intro.samples)
    await call.hang_up()
    await wait_until(bob.messages)
    rest = box_rest_client(bob)
    [line] = await rest.request_ok("GET", "")
    answer = await rest.request("GET", f"/{line['media_id']}/raw")
    assert answer.headers["content-type"] == "audio/x-wav"
    with wave.open(io.BytesIO(answer.content)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert len(heard) == line["length"] * 8
    assert abs(len(heard) / 8 - INTRO_MS - 4000) < 600
    assert np.array_equal(heard[-len(message.samples) :], message.samples)
    spoken = heard[: -len(message.samples)].astype(float)
    correlation = np.correlate(spoken, intro.samples[4000:12000].astype(float), "valid")
    assert correlation.max() > 0.8 * float(np.dot(*[intro.samples[4000:12000].astype(float)] * 2))
