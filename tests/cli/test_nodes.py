"""`ivr node`: what the nodes of an installation do, and how one is forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ivr.app import App
from ivr.service.node_presence import NodePresence
from ivr.settings import Settings
from ivr.storage.records import LiveCall
from tests.cli.conftest import Ivr, parse_json


def test_nodes_are_listed_and_removed(ivr: Ivr, tmp_path: Path) -> None:
    ivr("account", "create", "demo")

    async def run_node(is_stopped: bool) -> None:
        node = {"name": "b", "folder": tmp_path / "b"}
        app = App(Settings(data={"folder": tmp_path / "data"}, node=node, asterisk={"system_name": "pbx-b"})).open()
        presence = NodePresence(app)
        await presence.register()
        await app.call_store.begin(LiveCall("PJSIP/x-1", "1000", "leave", "1000", 5))
        if is_stopped:
            await presence.stop()
        app.close()

    asyncio.run(run_node(is_stopped=False))
    [listed] = parse_json(ivr("node", "list", "--json"))
    assert (listed["node"], listed["asterisk"], listed["state"], listed["calls"]) == ("b", "pbx-b", "runs", 1)
    assert listed["folder"].endswith(f":{tmp_path / 'b'}")
    assert "node b is running: stop its services first" in ivr("node", "remove", "b", "--yes", fails=4).output
    asyncio.run(run_node(is_stopped=True))
    assert "is stopped" in ivr("node", "list").stdout
    ivr("node", "remove", "b", "--yes")
    assert parse_json(ivr("node", "list", "--json")) == []
    assert parse_json(ivr("watch", "--once", "--json"))["calls"] == [], "its calls have ended"
    assert "there is no node 'b': see 'ivr node list'" in ivr("node", "remove", "b", "--yes", fails=3).output
