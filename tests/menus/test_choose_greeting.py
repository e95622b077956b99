"""Choosing an earlier greeting at the phone."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep

OFFER = "To choose an earlier greeting, press pound."
TO_LEAVE, MAIN_MENU = "To leave your mailbox", "For the main menu"
FIRST, SECOND = "An earlier greeting.", "An earlier temporary greeting."
OPTIONS = (
    "To use this recording, press one. To replay, press two. To hear the next one, press three."
    " To go back to your settings, press zero."
)


async def choose(app: AppFixture, *script: ScriptStep) -> ScriptedCall:
    keys = [Press("5", during=TO_LEAVE), Press("#", during=MAIN_MENU), *script]
    return await app.run_call(keys, endpoint="alice", number="1000")


async def create_greetings(app: AppFixture, *kinds: MediaKind) -> tuple[Mailbox, list[str]]:
    """Return a mailbox with a greeting in use and one earlier recording of each kind, with the ids of these."""
    box = await app.create_box("1000", owner=app.alice)
    earlier = []
    for kind in kinds:
        await app.activate_recordings(await app.container.boxes.get(box.id), kind)
        earlier.append((await app.container.boxes.get(box.id)).active_media_id(kind) or "")
        app.clock.advance(s=60)
        await app.container.voicemail_services.greeting_uploads.deactivate(await app.container.boxes.get(box.id), kind)
    return await app.container.boxes.get(box.id), earlier


async def test_earlier_greeting_is_heard_and_used_again(app: AppFixture) -> None:
    box, [media_id, _] = await create_greetings(app, MediaKind.UNAVAILABLE, MediaKind.TEMPORARY)
    phone = await choose(app, Press("2", during=OPTIONS), Press("1", during=OPTIONS), HangUp(during=MAIN_MENU))
    audio = f"(earlier unavailable of 1000: {media_id})"
    assert phone.texts[3:] == [FIRST, audio, OPTIONS, FIRST, audio, OPTIONS, "It is in use now.", phone.texts[-1]]
    assert (await app.container.boxes.get(box.id)).settings.media.unavailable == media_id
    heard = await app.run_call([HangUp(during="(greeting")], path="leave", number="1000")
    assert heard.texts == ["(greeting of 1000)"]


async def test_next_earlier_greeting_of_all_kinds_is_played(app: AppFixture) -> None:
    box, [_, media_id] = await create_greetings(app, MediaKind.UNAVAILABLE, MediaKind.TEMPORARY)
    script = [Press("3", during=OPTIONS), Press("1", during=OPTIONS), Press("2#", during="how many days")]
    phone = await choose(app, *script, HangUp(during=MAIN_MENU))
    assert [text for text in phone.texts if text in (FIRST, SECOND)] == [FIRST, SECOND]
    media = (await app.container.boxes.get(box.id)).settings.media
    assert media.temporary_unavailable == media_id
    assert media.temporary_until is not None
    assert 86_400 < media.temporary_until - app.clock.now() <= 2 * 86_400


async def test_owner_goes_back_and_nothing_changes(app: AppFixture) -> None:
    box, _ = await create_greetings(app, MediaKind.BUSY)
    single = OPTIONS.replace(" To hear the next one, press three.", "")
    phone = await choose(app, Press("3", during=single), Press("*", during=single), HangUp(during=MAIN_MENU))
    assert phone.texts[3] == "An earlier greeting for when you are on the phone."
    assert phone.texts[5:8] == [single, "That entry is not valid.", single]
    assert "That entry is not valid." not in phone.texts[8:], "the star goes back at once"
    assert (await app.container.boxes.get(box.id)).settings.media == box.settings.media


async def test_only_mailboxes_with_earlier_greetings_offer_them(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice)
    pages = [Press("9", during=MAIN_MENU)] * 2
    phone = await app.run_call([Press("5", during=TO_LEAVE), *pages], endpoint="alice", number="1000")
    assert OFFER not in " ".join(phone.texts)
    phone = await choose(app, HangUp(during=MAIN_MENU))
    assert phone.texts[3] == "That entry is not valid."
    await create_greetings_in(app)
    phone = await app.run_call([Press("5", during=TO_LEAVE), *pages], endpoint="alice", number="1000")
    assert OFFER in " ".join(phone.texts)


async def create_greetings_in(app: AppFixture) -> None:
    box = await app.container.boxes.find_by_number(app.account.id, "1000")
    assert box
    box = await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    await app.container.voicemail_services.greeting_uploads.deactivate(box, MediaKind.UNAVAILABLE)
