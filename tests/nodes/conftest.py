"""Nodes of one installation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ivr.app import App
from ivr.settings import Settings
from tests.support.app_fixture import AppFixture

NewNode = Callable[..., App]


@pytest.fixture
async def new_node(app: AppFixture) -> AsyncIterator[NewNode]:
    """Creates processes of nodes, each node with a folder of its own and an Asterisk of its name."""
    nodes: list[App] = []

    def create(name: str, folder: str = "", **settings: Any) -> App:
        node = {"name": name, "folder": app.settings.data.folder.with_name(folder or name)}
        asterisk = {"system_name": name, **settings.pop("asterisk", {})}
        data = {**app.settings.data.model_dump(), **settings.pop("data", {})}
        pins = {"bcrypt_cost": 4, **settings.pop("pins", {})}
        database = app.settings.database
        all_settings = Settings(data=data, database=database, node=node, asterisk=asterisk, pins=pins, **settings)
        nodes.append(App(all_settings, clock=app.clock).open())
        return nodes[-1]

    yield create
    for node in nodes:
        node.close()


async def age_sign(node: App, by_s: int) -> None:
    """Make the last sign of all nodes older."""
    await node.database.write(lambda c: c.execute("UPDATE nodes SET seen_at = seen_at - ?", (by_s,)).rowcount)
