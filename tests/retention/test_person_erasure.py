"""Erasing a person: cached audio, lights, counters, and messages that arrive meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ivr.audio.formats import by_name
from ivr.directory.models import Account
from ivr.errors import BadInput, StoreError
from ivr.mailbox.caller_id import NumberPlan
from ivr.retention.person_erasure import number_matcher
from ivr.storage.records import Forwarder, MediaKind, PersonQuery, TaskKind
from tests.support.app_fixture import AppFixture
from tests.support.s3_server import S3Server
from tests.support.scripted_call import Press


def query(app: AppFixture, *callers: str, user: str | None = None) -> PersonQuery:
    return PersonQuery(app.account.id, user, number_matcher(callers, NumberPlan()))


@pytest.mark.parametrize(
    ("given", "reported", "is_same"),
    [
        ("bob-desk", "bob-desk", True),
        ("bob-desk", "Bob-Desk", True),
        ("bob-desk", "sip:bob-desk@192.0.2.7", True),
        ("bob-desk", "bob-desk2", False),
        ("bob-desk", "", False),
        ("bob-desk", "anonymous", False),
        ("+493012", "sip:+493012@example.org", True),
        ("+493012", "bob-desk", False),
    ],
)
def test_caller_is_recognised_by_number_or_sip_name(given: str, reported: str, is_same: bool) -> None:
    assert number_matcher([given], NumberPlan())(reported) is is_same


@pytest.mark.parametrize("given", ["", " ", "anonymous", "Restricted", "unknown", "sip:example.org"])
def test_caller_that_many_share_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="is not a number of one caller"):
        number_matcher([given], NumberPlan())


async def test_cached_audio_and_light_go_with_the_person(app: AppFixture) -> None:
    own = await app.create_box("1000", app.alice)
    other = await app.create_box("1001", app.bob)
    await app.activate_recordings(own, MediaKind.UNAVAILABLE)
    messages = [
        await app.create_message(box, caller=caller) for box, caller in ((own, "7"), (other, "55"), (other, "8"))
    ]
    renditions = app.container.renditions("renditions")
    renditions.prepare()
    for message in messages:
        await renditions.render(message, by_name("mp3"))
    folder = app.settings.data.folder
    assert len(list((folder / "state" / "renditions").iterdir())) == 3
    report = await app.container.person_erasure.erase(query(app, "55", user=app.alice.id))
    assert (report.messages, report.renditions) == (2, 2)
    remaining = messages[2]
    assert len(list((folder / "state" / "renditions").iterdir())) == 1
    assert [path.stem for path in folder.rglob("*.wav") if path.parent.name in ("vm", "media")] == [remaining.id]
    tasks = await app.container.outbox.list_tasks()
    lights = {task.box_id for task in tasks if task.kind is TaskKind.MWI}
    assert lights == {own.id, other.id}, "both lights change"
    assert [task.target for task in tasks if task.kind is TaskKind.PHONE_MWI] == ["alice"]
    assert (await app.container.messages.counts(other.id)).new == 1
    assert await app.container.messages.used_bytes(other.id) == remaining.bytes


@pytest.mark.object_store
async def test_recordings_of_person_leave_the_store_once_it_answers(app: AppFixture, s3_server: S3Server) -> None:
    own, other = await app.create_box("1000", app.alice), await app.create_box("1001", app.bob)
    await app.activate_recordings(own, MediaKind.UNAVAILABLE)
    [*_, remaining] = [
        await app.create_message(box, caller=caller) for box, caller in ((own, "7"), (other, "55"), (other, "8"))
    ]
    s3_server.fail()
    with pytest.raises(StoreError, match=r"all rows are erased, .* start the object store"):
        await app.container.person_erasure.erase(query(app, "55", user=app.alice.id))
    assert await app.messages(own) == []
    s3_server.fault = None
    await app.container.retention_worker.unlink_pending()
    assert list(s3_server.objects) == [f"data/{other.account_id}/vm/{remaining.recording}.wav"]
    cache = app.container.recordings.message_path("x", "y").parents[2]
    assert [path.stem for path in cache.rglob("*.wav")] == [remaining.recording], "nor is it in the cache of the node"


async def test_forwarded_message_stays_without_forwarder_and_intro(app: AppFixture) -> None:
    own = await app.create_box("1000", app.alice)
    other = await app.create_box("1001", app.bob)
    original = await app.create_message(own, caller="7", s=2)
    intro_id = "f" * 32
    intro = app.container.recordings.media_path(app.account.id, intro_id)
    intro_bytes = app.container.recordings.write(b"\x01\x02" * 8000, intro)
    forwarded = replace(
        await app.create_message(other, caller="7", s=2),
        id=original.id[:-1] + ("0" if original.id[-1] != "0" else "1"),
        intro_id=intro_id,
        intro_ms=1000,
        length_ms=3000,
        forwarded_by=Forwarder(own.id, "1000", "Alice"),
    )
    forwarded = replace(forwarded, bytes=forwarded.bytes + intro_bytes)
    await app.container.delivery.commit(forwarded)
    await app.container.person_erasure.erase(query(app, user=app.alice.id))
    left = await app.container.messages.get(other.id, forwarded.id, 0)
    assert (left.forwarded_by, left.intro_id, left.length_ms) == (None, None, 2000)
    assert not intro.exists()
    [first, second] = await app.messages(other)
    assert await app.container.messages.used_bytes(other.id) == first.bytes + second.bytes == 2 * original.bytes


async def test_message_that_arrives_meanwhile_is_erased_too(app: AppFixture) -> None:
    box = await app.create_box("1000", app.bob)
    await app.create_message(box, caller="55")
    store = app.container.person_store
    purge_rest = store.purge_rest
    arrivals = ["55", "8"]

    async def purge_while_calls_end(*arguments: object) -> None:
        await purge_rest(*arguments)  # type: ignore[arg-type]
        while arrivals:
            await app.create_message(box, caller=arrivals.pop())

    store.purge_rest = purge_while_calls_end  # type: ignore[method-assign,assignment]
    report = await app.container.person_erasure.erase(query(app, "55"))
    assert report.messages == 2
    assert [message.caller.number for message in await app.messages(box)] == ["8"]


async def test_shared_mailbox_stays_without_the_person(app: AppFixture) -> None:
    members = [{"type": "user", "id": app.alice.id}, {"type": "user", "id": app.bob.id}]
    box = await app.create_box("2000", app.alice, shared_vmbox=True, members=members)
    await app.create_message(box, caller="7")
    await app.container.person_erasure.erase(query(app, user=app.alice.id))
    left = await app.container.boxes.get(box.id)
    assert (left.settings.owner_id, left.settings.member_ids) == (None, frozenset({app.bob.id}))
    assert len(await app.messages(box)) == 1


MOBILE = "+491701234567"
WRITTEN = ("01701234567", MOBILE)


@pytest.mark.both_engines
async def test_settings_and_calls_of_others_name_the_person_no_longer(app: AppFixture) -> None:
    """A later mailbox of the number would get copies of others' messages; numbers are spoken to others."""
    await app.create_box("1000", app.alice, aliases=["1010"])
    lists = {"801": ["1000", "1002"], "802": ["1010"]}
    box = await app.create_box(
        "1001", app.bob, new_messages_at_once=False, copy_to=["1002", "1000"], distribution_lists=lists,
        operator_number=WRITTEN[0], play_envelope_action="play_before",
    )  # fmt: skip
    account = app.account.model_copy(update={"settings": {"distribution_lists": {"900": ["1000", "1001"]}}})
    app.account = await app.container.directory.update_account(account)
    left_by = {MOBILE: 60, "2002": 7200}
    messages = [await app.create_message(box, caller=caller, age_s=age_s) for caller, age_s in left_by.items()]
    await app.run_call([Press("1"), Press("#", during="(message"), Press("6")], endpoint="bob", number="1001")
    await app.run_call([Press("1"), Press("6", during="(message")], endpoint="bob", number="1001", caller="2002")
    steps = json.dumps([{"at_ms": 1, "what": "hunt", "extension": WRITTEN[0]}, {"at_ms": 2, "what": "key", "key": "1"}])
    await app.container.database.write(
        lambda c: c.execute("UPDATE calls SET steps = ? WHERE caller_number = '2002'", (steps,)).rowcount
    )
    person = PersonQuery(app.account.id, app.alice.id, number_matcher([MOBILE], NumberPlan("49")))
    content = await app.container.person_erasure.find(person)
    assert content.settings_of_others == {
        "1001": {
            "copy_to": ["1000"],
            "distribution_lists": {"801": ["1000"], "802": ["1010"]},
            "operator_number": WRITTEN[0],
        },
        "": {"distribution_lists": {"900": ["1000"]}},
    }
    spoken, hunted = sorted(content.calls_of_others, key=lambda call: -len(call["steps"]))
    assert hunted["steps"] == [{"at_ms": 1, "what": "hunt", "extension": WRITTEN[0]}]
    assert "one seven zero one" in json.dumps(spoken["steps"])

    await app.container.person_erasure.erase(person)
    left = (await app.container.boxes.get(box.id)).settings
    assert (left.copy_to, left.distribution_lists) == (["1002"], {"801": ["1002"]})
    assert left.operator_number is None
    found = await app.container.directory.account(app.account.id)
    assert found.settings["distribution_lists"] == {"900": ["1001"]}
    assert [message.id for message in await app.messages(box)] == [messages[1].id]
    rows = await app.container.database.read(lambda c: c.execute("SELECT steps FROM calls").fetchall())
    assert not any(trace in row["steps"] for row in rows for trace in (*WRITTEN, "one seven zero one"))
    assert any('"hunt", "extension": "erased"' in row["steps"] for row in rows)
    content = await app.container.person_erasure.find(person)
    assert (content.settings_of_others, list(content.calls_of_others)) == ({}, [])


@pytest.mark.both_engines
async def test_number_that_another_mailbox_has_by_now_stays_in_settings_of_others(app: AppFixture) -> None:
    """Bob's copies and lists lost a colleague who had been given the number of a person who left."""
    former = await app.create_box("1000", app.alice, aliases=["1010", "1020"])
    await app.container.boxes.delete(former)
    await app.create_box("1010", aliases=["1000"])
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    await app.container.boxes.create(other, {"mailbox": "1020", "name": "other", "pin": "1379"})
    lists = {"801": ["1000", "1020"], "802": ["1010"]}
    box = await app.create_box(
        "1001", app.bob, copy_to=["1000", "1020"], distribution_lists=lists, operator_number="1010"
    )
    account = app.account.model_copy(update={"settings": {"distribution_lists": {"900": ["1000", "1020"]}}})
    app.account = await app.container.directory.update_account(account)
    person = PersonQuery(app.account.id, app.alice.id, number_matcher(["1000", "1010"], NumberPlan("49")))
    found = (await app.container.person_erasure.find(person)).settings_of_others
    assert found == {
        "1001": {"copy_to": ["1020"], "distribution_lists": {"801": ["1020"]}},
        "": {"distribution_lists": {"900": ["1020"]}},
    }
    await app.container.person_erasure.erase(person)
    left = (await app.container.boxes.get(box.id)).settings
    assert (left.copy_to, left.distribution_lists) == (["1000"], {"801": ["1000"], "802": ["1010"]})
    assert left.operator_number == "1010"
    account = await app.container.directory.account(app.account.id)
    assert account.settings["distribution_lists"] == {"900": ["1000"]}
