"""What a person hears when something fails: the words are true, and a prompt that is lost costs only that prompt."""

from __future__ import annotations

import pytest

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.prompt_cache import PromptCache
from tests.support.app_fixture import SOUNDS, AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptStep, Speak

NOT_RECORDED = "I am sorry, the recording failed. What you said was not kept."


async def test_caller_is_told_that_message_was_not_recorded(app: AppFixture) -> None:
    box = await app.create_box()
    phone = await app.run_call([Press("#"), Speak(3000, then="failure")], path="leave", number="1000")
    assert phone.texts[-1] == NOT_RECORDED
    assert phone.status == "ERROR"
    assert await app.messages(box) == []


async def test_owner_is_told_that_greeting_was_not_recorded(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    keys = [Press("5", during="You have"), Press("1", during="To record your greeting", after_ms=400)]
    end = HangUp(during="To record your greeting")
    phone = await app.run_call([*keys, Speak(3000, then="failure"), end], endpoint="alice", number="1000")
    assert phone.texts[-2] == NOT_RECORDED


@pytest.mark.parametrize("prompt", ["The person", "Please leave your message", "(beep)"])
async def test_prompt_that_asterisk_cannot_play_does_not_cost_the_message(app: AppFixture, prompt: str) -> None:
    box = await app.create_box()
    phone = app.new_call([Speak(3000, then="hang-up")], path="leave", number="1000")
    phone.unplayable = (prompt,)
    await app.handle_call(phone)
    assert not any(prompt in text for text in phone.texts)
    assert [message.length_ms for message in await app.messages(box)] == [3000]


async def test_owner_signs_in_without_a_prompt_that_asterisk_cannot_play(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    phone = app.new_call([Press("1379#"), Press("1"), Press("7", during="(message")], number="1000")
    phone.unplayable = ("You have", "Message one")
    await app.handle_call(phone)
    assert await app.folder_of(message) == "deleted"


async def test_missing_clips_do_not_close_mailbox(app: AppFixture) -> None:
    """Of a site's own recordings only a few exist: callers leave messages all the same."""
    own_sounds = app.settings.data.folder / "sounds" / "en"
    own_sounds.mkdir(parents=True)
    (own_sounds / "catalogue.toml").write_bytes((SOUNDS / "en" / "catalogue.toml").read_bytes())
    app.prompt_cache = PromptCache(
        app.settings.data.folder / "cache", {"en": Catalogue.load(own_sounds)}, app.clock.monotonic
    )
    box = await app.create_box()
    phone = await app.run_call([Speak(3000, then="hang-up")], path="leave", number="1000")
    assert phone.texts[-1] == "(beep)"
    assert [message.length_ms for message in await app.messages(box)] == [3000]


async def test_mailbox_deleted_during_settings_is_not_called_a_message(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    delete_box = Meanwhile("For the main menu", lambda: app.container.boxes.delete(box))
    keys: list[ScriptStep] = [
        Press("5", during="You have"),
        delete_box,
        Press("6", during="For the main menu", after_ms=400),
    ]
    phone = await app.run_call(keys, endpoint="alice", number="1000")
    assert phone.texts[-1] == "I am sorry, something went wrong. Please try again later."
