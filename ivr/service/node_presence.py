"""The presence of this node among those that share its rows: registered at the start, and renewed every minute."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import structlog

from ivr.app import App
from ivr.errors import IvrError, SettingsError, StoreError
from ivr.health.checks import compare_clocks
from ivr.paths import read_or_create_secret
from ivr.storage.data_folder import state_folder
from ivr.storage.records import FORGOTTEN_AFTER_S, NodeRecord, NodeStatus

INTERVAL_S = 60.0
FOLDER_ID_FILE = "locks/node-id"
"""In `state/` of the folder of the node. Backups do not contain it: a copy of the folder is another one."""

log = structlog.get_logger()


class NodePresence:
    """The presence of the node of one service."""

    def __init__(self, app: App, interval_s: float = INTERVAL_S) -> None:
        self._app = app
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None
        self._clocks_differ = False

    async def register(self) -> bool:
        """Register the node. Return whether the others do not know it, so that no light was kept for it.

        If the database cannot be written, the node is registered with its first sign. Raises `SettingsError` if it
        cannot be a node beside those that run.
        """
        self._app.process_locks.acquire_run(self._app.process.run_id)
        node = await asyncio.to_thread(self.describe)
        try:
            silent_s = await self._app.node_store.register(node, lambda nodes: verify_node(node, nodes))
        except StoreError as error:  # The service starts: it tells readyz and callers that it can store nothing.
            log.warning("node.not_registered", reason=str(error))
            return False
        await self._compare_clocks()
        return silent_s is None or silent_s > FORGOTTEN_AFTER_S

    def start(self) -> None:
        """Renew the presence until `stop`."""
        self._task = asyncio.create_task(self._run_forever())

    async def stop(self) -> None:
        """Tell the others that the node has stopped, unless it has another service."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if not self._app.process_locks.has_other_run(self._app.process.run_id):
            try:
                await self._app.node_store.record_stop(self._app.settings.node_name)
            except StoreError as error:
                log.warning("node.stop_not_recorded", reason=str(error))

    async def _run_forever(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                if closed := await self._app.node_store.record_sign(await asyncio.to_thread(self.describe)):
                    log.warning("node.calls_closed", number=closed, reason="their node has given no sign for long")
                await self._compare_clocks()
            except IvrError as error:
                log.warning("node.sign_postponed", reason=str(error))

    async def _compare_clocks(self) -> None:
        """Log once that the clock of this machine is not that of PostgreSQL."""
        try:
            server_time = await self._app.health_store.server_time()
        except StoreError:
            return  # It is compared again with the next sign.
        found = [] if server_time is None else [*compare_clocks(server_time - int(self._app.clock.now()))]
        for finding in found[:1] if not self._clocks_differ else ():
            log.error("clock.differs", what=finding.what, remedy=finding.remedy)
        self._clocks_differ = bool(found)

    def describe(self) -> NodeRecord:
        """Return what the other nodes learn of this one. Blocks."""
        settings = self._app.settings
        folder = settings.node_folder.absolute()
        try:
            folder_id = read_or_create_secret(state_folder(folder) / FOLDER_ID_FILE)
        except StoreError as error:  # A full disk must not keep the service from its calls.
            log.warning("node.folder_not_identified", reason=str(error))
            folder_id = ""
        return NodeRecord(
            name=settings.node_name,
            asterisk=settings.asterisk.system_name,
            location=f"{socket.gethostname()}:{folder}",
            folder_id=folder_id,
            secret_ids=self._app.asterisk_secret.ids(),
        )


def verify_node(node: NodeRecord, nodes: Sequence[NodeStatus]) -> None:
    """Raise `SettingsError` if `node` cannot start beside those of `nodes` that run."""
    for other in (status.node for status in nodes if status.is_running):
        if other.name == node.name and "" != other.folder_id != node.folder_id != "":
            raise SettingsError(
                f"node {node.name} runs already, and has its recordings in {other.location}: give each node a name and"
                " a folder of its own, [node] name and folder in ivr.toml (docs/several-services.md)"
            )
        if other.name != node.name and not {*other.secret_ids} & {*node.secret_ids}:
            raise SettingsError(
                f"the secret shared with Asterisk is not that of node {other.name}, which runs: all nodes need the same"
                " one, as [asterisk] secret in ivr.toml or in state/asterisk-secret of the data folder"
            )
