"""AMI client against a fake manager interface, over a real socket."""

from __future__ import annotations

import asyncio

import pytest

from ivr.ami import actions
from ivr.ami.actions import MwiState, OriginateTarget
from ivr.ami.client import AmiClient
from ivr.ami.settings import AmiSettings
from ivr.errors import AmiActionRejected, AmiUnavailable
from tests.ami.conftest import TIMING
from tests.support.fake_ami_server import FakeAmiServer, Fields

ORIGINATE_TARGET = OriginateTarget("1001", "to-owners")


async def wait_until_reconnected(client: AmiClient, lost_connection_id: int) -> None:
    while client.connection_id <= lost_connection_id:
        await client.wait_for_change()


async def test_client_reconnects_after_asterisk_restart(ami_server: FakeAmiServer, ami_client: AmiClient) -> None:
    lost_connection_id = ami_client.connection_id
    await ami_server.stop()
    while ami_client.connection_id:
        await ami_client.wait_for_change()
    with pytest.raises(AmiUnavailable):
        await ami_client.send({"Action": "Ping"})
    await ami_server.start()
    await wait_until_reconnected(ami_client, lost_connection_id)
    await ami_client.send({"Action": "Ping"})


async def test_unanswered_action_fails_after_timeout(ami_server: FakeAmiServer, ami_client: AmiClient) -> None:
    ami_server.replies["Status"] = lambda _: None
    with pytest.raises(AmiUnavailable, match="no answer within"):
        await ami_client.send({"Action": "Status"}, timeout_s=0.05)
    await ami_client.send({"Action": "Ping"})


async def test_originate_is_not_repeated_after_connection_loss(
    ami_server: FakeAmiServer, ami_client: AmiClient
) -> None:
    lost_connection_id = ami_client.connection_id

    def drop_connection(_: Fields) -> None:
        ami_server.drop_connections()

    ami_server.replies["Originate"] = drop_connection
    with pytest.raises(AmiUnavailable, match="connection was lost"):
        await actions.originate(
            ami_client, ORIGINATE_TARGET, "ivr-new-message-call", {}, ring_timeout_s=5, caller_number="1000"
        )
    await wait_until_reconnected(ami_client, lost_connection_id)
    await ami_client.send({"Action": "Ping"})
    assert len(ami_server.actions_named("Originate")) == 1


async def test_wrong_secret_is_logged_and_retried_later(ami_server: FakeAmiServer) -> None:
    client = AmiClient(AmiSettings(port=ami_server.port, secret="wrong"), timing=TIMING)
    running = asyncio.create_task(client.run_forever())
    while len(ami_server.actions_named("Login")) < 2:
        await asyncio.sleep(0.01)
    assert not client.connection_id
    running.cancel()


async def test_mwi_updates_are_pipelined_in_order(ami_server: FakeAmiServer, ami_client: AmiClient) -> None:
    await actions.publish(
        ami_client, [MwiState("1000@ivr", 9, 9), *(MwiState(f"{n}@ivr", n, 1) for n in range(1000, 1200))]
    )
    assert ami_server.mailboxes == {f"{n}@ivr": (n, 1) for n in range(1000, 1200)}
    assert len(ami_server.actions_named("Originate")) == 3


async def test_mwi_update_action_is_used_when_available() -> None:
    asterisk = await FakeAmiServer(supports_mwi_update=True).start()
    client = AmiClient(AmiSettings(port=asterisk.port, secret="word"), timing=TIMING)
    running = asyncio.create_task(client.run_forever())
    await wait_until_reconnected(client, 0)
    await actions.publish(client, [MwiState("1000@ivr", 2, 1)])
    assert asterisk.mailboxes == {"1000@ivr": (2, 1)}
    assert asterisk.actions_named("Originate") == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await asterisk.stop()


async def test_channel_existence_is_reported(ami_server: FakeAmiServer, ami_client: AmiClient) -> None:
    ami_server.replies["Status"] = lambda _: [{"Response": "Error", "Message": "No such channel"}]
    assert await actions.is_channel_gone(ami_client, "PJSIP/alice-00000001")
    ami_server.replies["Status"] = lambda _: [
        {"Response": "Success", "Message": "Channel status will follow"}, {"Event": "Status", "Channel": "x"},
        {"Event": "StatusComplete", "Items": "1"},
    ]  # fmt: skip
    assert not await actions.is_channel_gone(ami_client, "PJSIP/alice-00000001")
    ami_server.replies["Status"] = lambda _: [{"Response": "Error", "Message": "Permission denied"}]
    with pytest.raises(AmiActionRejected):
        await actions.is_channel_gone(ami_client, "PJSIP/alice-00000001")


@pytest.mark.parametrize(("outcome", "answered"), [("Success", True), ("Failure", False)])
async def test_originate_outcome_is_reported_when_call_ends(
    ami_server: FakeAmiServer, ami_client: AmiClient, outcome: str, answered: bool
) -> None:
    ami_server.replies["Originate"] = lambda _: [
        {"Response": "Success", "Message": "Originate successfully queued"},
        {"Event": "OriginateResponse", "Response": outcome, "Reason": "4"},
    ]
    assert (
        await actions.originate(
            ami_client, ORIGINATE_TARGET, "ivr-new-message-call", {"A": "1"}, ring_timeout_s=5, caller_number=""
        )
        is answered
    )
    assert ami_server.actions_named("Originate")[0]["Channel"] == "Local/1001@to-owners/n"


async def test_originate_rejected_by_asterisk_raises(ami_server: FakeAmiServer, ami_client: AmiClient) -> None:
    ami_server.replies["Originate"] = lambda _: [{"Response": "Error", "Message": "Extension does not exist."}]
    with pytest.raises(AmiActionRejected, match="Extension does not exist"):
        await actions.originate(
            ami_client, ORIGINATE_TARGET, "ivr-new-message-call", {}, ring_timeout_s=5, caller_number=""
        )
