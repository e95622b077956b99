"""Nodes: whose a recording and a call is, which nodes can run together, and what becomes of one that is gone."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest
import structlog

from ivr.app import App
from ivr.audio import wav
from ivr.clock import SET_CLOCK
from ivr.errors import Conflict, NotFound, PepperChanged, SettingsError
from ivr.mailbox import takes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.service.node_presence import NodePresence
from ivr.service.service import start_service
from ivr.storage.records import FORGOTTEN_AFTER_S, LOST_AFTER_S, Caller, LiveCall, MediaKind, RecordingPurpose, Take
from tests.nodes.conftest import NewNode, age_sign
from tests.support.app_fixture import AppFixture
from tests.support.speech import speech_pcm


async def begin_take(node: App, box: Mailbox, purpose: RecordingPurpose = RecordingPurpose.MESSAGE) -> Take:
    """A take as it is when the service of the node has died."""
    take = await node.takes.begin(box.account_id, box.id, purpose, TakeSource("PJSIP/x-1", "call.1", Caller("2001")))
    wav.write(Path(take.path), speech_pcm(2000))
    node.takes.release("PJSIP/x-1", "call.1")
    return take


async def run_recovery(app: AppFixture, node: App) -> None:
    for _ in range(2):
        await node.recording_recovery.run_once()
        app.clock.advance(s=6)
    await node.recording_recovery.run_once()


async def test_take_belongs_to_its_node(app: AppFixture, new_node: NewNode) -> None:
    a, b, box = new_node("a"), new_node("b"), await app.create_box()
    b.__dict__["is_channel_gone"] = channel_is_gone
    await NodePresence(a).register()
    take = await begin_take(a, box)
    await run_recovery(app, b)
    assert (Path(take.path).exists(), await app.messages(box)) == (True, [])
    await run_recovery(app, a)
    assert len(await app.messages(box)) == 1
    assert not Path(take.path).exists()


async def channel_is_gone(channel: str) -> bool | None:
    """What an Asterisk says of a channel of another one."""
    return True


async def test_take_of_renamed_node_is_recovered_when_its_file_has_stopped_growing(
    app: AppFixture, new_node: NewNode
) -> None:
    before, box = new_node("a"), await app.create_box()
    await NodePresence(before).register()
    take = await begin_take(before, box)
    after = new_node("pbx1", folder="a")
    after.__dict__["is_channel_gone"] = channel_is_gone
    await run_recovery(app, after)
    assert await app.messages(box) == [], "node a may be alive"
    await age_sign(after, LOST_AFTER_S + 5)
    await after.recording_recovery.run_once()
    Path(take.path).write_bytes(Path(take.path).read_bytes() + speech_pcm(1000))
    app.clock.advance(s=4)
    await after.recording_recovery.run_once()
    assert await app.messages(box) == [], "an Asterisk still records it"
    app.clock.advance(s=6)
    await after.recording_recovery.run_once()
    [message] = await app.messages(box)
    assert message.length_ms >= 2900


async def test_take_of_lost_node_without_its_file_stays(app: AppFixture, new_node: NewNode) -> None:
    a, b, box = new_node("a"), new_node("b"), await app.create_box()
    await NodePresence(a).register()
    take = await begin_take(a, box)
    await age_sign(a, LOST_AFTER_S + 5)
    await run_recovery(app, b)
    assert [found.id for found in await a.takes.list_unfinished()] == [take.id]
    assert Path(take.path).exists()


async def test_take_in_another_folder_is_left_there(app: AppFixture, new_node: NewNode) -> None:
    """Two nodes have the same name by mistake, or a node got another folder while recordings were in the first one."""
    a, elsewhere, box = new_node("a"), new_node("a", folder="elsewhere"), await app.create_box()
    take = await begin_take(a, box)
    elsewhere.__dict__["is_channel_gone"] = channel_is_gone
    await run_recovery(app, elsewhere)
    assert await app.messages(box) == []
    Path(take.path).rename(elsewhere.recordings.take_path(take.id))
    await run_recovery(app, elsewhere)
    assert len(await app.messages(box)) == 1, "the folder was moved"


async def test_take_of_earlier_version_belongs_to_the_node_with_its_folder(app: AppFixture, new_node: NewNode) -> None:
    a, b, box = new_node("a"), new_node("b"), await app.create_box()
    await begin_take(a, box)
    await a.database.write(lambda c: c.execute("UPDATE takes SET node = NULL").rowcount)
    await run_recovery(app, b)
    assert await app.messages(box) == []
    await run_recovery(app, a)
    assert len(await app.messages(box)) == 1


async def test_greeting_that_awaits_its_owner_is_offered_where_it_can_be_played(
    app: AppFixture, new_node: NewNode
) -> None:
    a, b, box = new_node("a"), new_node("b"), await app.create_box()
    take = await begin_take(a, box, RecordingPurpose.GREETING)
    await a.takes.mark_awaiting_owner(take)
    assert await b.takes.list_awaiting_owner(box.id) == []
    assert [found.id for found in await a.takes.list_awaiting_owner(box.id)] == [take.id]


@pytest.mark.both_engines
async def test_next_caller_of_each_process_hears_the_greeting_of_this_moment(
    app: AppFixture, new_node: NewNode
) -> None:
    """All greetings are stored in one second, with one length and one time of their file."""
    recorder, same_node, other_node = new_node("a"), new_node("a"), new_node("b")
    box, files = await app.create_box(), set[Path]()
    for _ in range(5):
        media_id = await app.create_recording(box, MediaKind.UNAVAILABLE)
        path = app.container.recordings.media_path(box.account_id, media_id)
        os.utime(path, (app.clock.now(), app.clock.now()))
        box = await recorder.boxes.patch(await recorder.boxes.get(box.id), {"media": {"unavailable": media_id}})
        for node in (recorder, same_node, other_node):
            sound = await node.voicemail_services.greetings.find_greeting(await node.boxes.get(box.id))
            assert sound
            assert sound.path == path
        assert path not in files, "no file is written again, so that no cache by path or time has the former one"
        files.add(path)


async def test_sign_in_waits_for_message_that_another_node_delivers(
    app: AppFixture, new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takes, "OTHER_NODES_TIMEOUT_S", 60)
    a, b, box = new_node("a"), new_node("b"), await app.create_box()
    await NodePresence(a).register()
    take = await begin_take(a, box)
    await a.delivery.pending_deliveries.wait_until_done(box.id)
    signing_in = asyncio.create_task(b.delivery.pending_deliveries.wait_until_done(box.id))
    await asyncio.wait({signing_in}, timeout=0.2)
    assert not signing_in.done()
    await a.delivery.deliver(take, box)
    await signing_in
    assert len(await app.messages(box)) == 1


async def test_sign_in_waits_neither_long_nor_for_a_lost_node(
    app: AppFixture, new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, box = new_node("a"), new_node("b"), await app.create_box()
    await NodePresence(a).register()
    await begin_take(a, box)
    async with asyncio.timeout(30):
        await b.delivery.pending_deliveries.wait_until_done(box.id)  # The caller speaks for longer.
        monkeypatch.setattr(takes, "OTHER_NODES_TIMEOUT_S", 60)
        await age_sign(a, LOST_AFTER_S + 5)
        await b.delivery.pending_deliveries.wait_until_done(box.id)


# -- calls -------------------------------------------------------------------------------------------------------------


async def channels(app: AppFixture) -> list[str]:
    return sorted(call.channel for call in await app.container.call_store.live_calls())


async def test_start_closes_calls_of_ended_processes_of_its_node_only(app: AppFixture, new_node: NewNode) -> None:
    ended, other_service, b = new_node("a"), new_node("a"), new_node("b")
    for node, channel in ((ended, "ended"), (other_service, "other service"), (b, "b")):
        await node.call_store.begin(LiveCall(channel, "1000", "check", "", 5))
    ended.process_locks.release_all()
    started = new_node("a")
    assert await started.call_store.close_unfinished(2000) == 1
    assert await channels(app) == ["b", "other service"]


async def test_call_is_taken_over_at_its_own_asterisk_only(app: AppFixture, new_node: NewNode) -> None:
    a, b, same_node = new_node("a"), new_node("b"), new_node("a")
    await a.call_store.begin(LiveCall("PJSIP/x-1", "1000", "check", "", 5, uniqueid="1.1", instance="ivr-1"))
    assert await b.call_store.orphaned_calls("ivr-2", 100) == []
    assert await b.call_store.take_over("PJSIP/x-1", "1.1", 100) is None
    await b.call_store.record_heartbeat("ivr-1", 200)
    assert [call.asterisk for call in await same_node.call_store.orphaned_calls("ivr-2", 100)] == ["a"]
    assert await same_node.call_store.take_over("PJSIP/x-1", "1.1", 100) is not None


async def test_calls_of_lost_node_are_closed_by_another_one(app: AppFixture, new_node: NewNode) -> None:
    a, b = new_node("a"), new_node("b")
    await NodePresence(a).register()
    await a.call_store.begin(LiveCall("PJSIP/x-1", "1000", "check", "", 5))
    node = NodePresence(b).describe()
    assert await b.node_store.record_sign(node) == 0
    await age_sign(a, LOST_AFTER_S + 5)
    assert await b.node_store.record_sign(node) == 1
    assert await channels(app) == []


# -- which nodes can run together --------------------------------------------------------------------------------------


async def test_second_node_of_the_same_name_and_another_folder_is_refused_while_the_first_runs(
    new_node: NewNode,
) -> None:
    first, other_service = NodePresence(one := new_node("a")), NodePresence(two := new_node("a"))
    await first.register()
    await other_service.register()
    second = NodePresence(new_node("a", folder="elsewhere"))
    with pytest.raises(SettingsError, match=r"node a runs already, .*/a: give each node a name and a folder"):
        await second.register()
    await first.stop()
    one.process_locks.release_all()
    with pytest.raises(SettingsError, match="node a runs already"):
        await second.register()
    await other_service.stop()
    two.process_locks.release_all()
    assert await second.register() is False


async def test_node_with_another_asterisk_secret_is_refused(new_node: NewNode) -> None:
    first = NodePresence(new_node("a", asterisk={"secret": "one"}))
    await first.register()
    second = NodePresence(new_node("b", asterisk={"secret": "two"}))
    with pytest.raises(SettingsError, match="not that of node a, which runs: all nodes need the same"):
        await second.register()
    await first.stop()
    assert await second.register() is True


async def test_node_with_another_pepper_is_refused(app: AppFixture, new_node: NewNode, tmp_path: Path) -> None:
    await app.create_box(pin="4716")
    (tmp_path / "pepper").write_text("ab" * 32)
    other = new_node("b", pins={"pepper_file": str(tmp_path / "pepper")}, fastagi={"port": 0})
    with pytest.raises(PepperChanged, match="not the one that PINs and passwords were stored"):
        await start_service(other, "calls")
    assert await other.node_store.list_nodes() == [], "it is not one of the nodes"


async def test_node_is_forgotten_after_a_day(new_node: NewNode) -> None:
    presence = NodePresence(node := new_node("a"))
    assert await presence.register() is True, "it is new"
    assert await presence.register() is False
    await age_sign(node, FORGOTTEN_AFTER_S + 5)
    assert await presence.register() is True


async def test_running_node_is_not_removed(new_node: NewNode) -> None:
    presence, other = NodePresence(node := new_node("a")), new_node("b")
    await presence.register()
    with pytest.raises(Conflict, match="stop its services first"):
        await other.node_store.remove("a")
    await presence.stop()
    assert [(status.is_stopped, status.is_lost) for status in await other.node_store.list_nodes()] == [(True, False)]
    await other.node_store.remove("a")
    assert await node.node_store.list_nodes() == []
    with pytest.raises(NotFound, match="see 'ivr node list'"):
        await other.node_store.remove("a")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_clock_that_is_not_that_of_the_database_is_logged_once(app: AppFixture, new_node: NewNode) -> None:
    presence = NodePresence(new_node("a"))
    with structlog.testing.capture_logs() as logs:
        await presence.register()
        await presence.register()
    [event] = [entry for entry in logs if entry["event"] == "clock.differs"]
    assert re.fullmatch(r"the clock of this machine is \d+ s behind that of PostgreSQL: .*", event["what"])
    assert SET_CLOCK in event["remedy"]
