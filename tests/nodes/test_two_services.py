"""Two services on one set of rows, each beside its own Asterisk with its own takes, in processes of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ivr.app import App
from ivr.audio import wav
from ivr.clock import SystemClock
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.support import app_fixture
from tests.support.app_fixture import AppFixture
from tests.support.handset import ScriptedHandset
from tests.support.service_site import IVR, Site
from tests.support.speech import speech_pcm

if TYPE_CHECKING:
    from tests.support.postgresql_server import PostgresqlServer

TIMEOUT_S = 60.0
NEWER_IVR = [
    sys.executable,
    "-c",
    """
from ivr.storage.sqlite import migrations

def add_column(tables):
    tables.execute("ALTER TABLE messages ADD COLUMN later TEXT")

migrations.MIGRATIONS = {**migrations.MIGRATIONS, "0999-later": add_column}
migrations.ADDITIONS |= {"0999-later"}
migrations.SCHEMA_VERSION += 1
from ivr.cli import main
main()
""",
]
"""The next version, as far as the database can tell: it has a migration more, which only adds."""


class RecordingCaller(ScriptedHandset):
    """A caller who speaks until `hang_up`, as Asterisk records it."""

    def __init__(self) -> None:
        super().__init__()
        self.path: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

    async def record(self, path: Path, digits: str, max_ms: int, silence_ms: int) -> tuple[str | None, int]:
        wav.write(path, speech_pcm(2000))
        self.path.set_result(path)
        await self.hangup_event.wait()
        return None, 2000

    def hang_up(self) -> None:
        self.hangup_event.set()


class Node:
    """A node of the installation in `site.folder`: a service, and a folder of its own."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = Site(site.folder)
        self.folder = site.folder.with_name(f"node-{name}")
        self.site.environment = {
            **site.environment,
            "IVR_FASTAGI__PORT": self.site.environment["IVR_FASTAGI__PORT"],
            "IVR_NODE__NAME": name,
            "IVR_NODE__FOLDER": str(self.folder),
        }
        self.name = name

    @contextmanager
    def service(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            command or [*IVR, "serve", "--only", "calls"], env=self.site.environment, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout
        assert process.stdout.readline(), f"node {self.name} has not started"
        try:
            yield process
        finally:
            process.terminate()
            process.wait(TIMEOUT_S)
            process.stdout.close()

    def takes(self) -> list[Path]:
        return [*(self.folder / "takes").glob("*.wav")]

    def call(self, handset: RecordingCaller, caller: str = "5550100") -> asyncio.Task[str]:
        """A caller at the Asterisk of this node leaves a message."""
        request = AgiRequest("leave", ("account=demo", "number=1000"), f"PJSIP/trunk-{self.name}", caller)
        port = int(self.site.environment["IVR_FASTAGI__PORT"])
        return asyncio.create_task(FakeAsterisk(request, handset).connect_and_run("127.0.0.1", port))


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not is_true():
            await asyncio.sleep(0.05)


async def nodes_of_calls(rows: App) -> list[str]:
    return sorted(call.node or "" for call in await rows.call_store.live_calls())


def test_killed_service_loses_no_message_to_other_node_and_closes_only_its_own_calls(tmp_path: Path) -> None:
    site = Site(tmp_path / "data")
    a, b = Node(site, "a"), Node(site, "b")

    async def run() -> None:
        app = AppFixture(site.folder)
        app.clock = SystemClock()  # type: ignore[assignment]
        await app.open()
        box, rows = await app.create_box(), app.container
        with b.service():
            caller_at_b = RecordingCaller()
            with a.service() as service_of_a:
                caller_at_a = RecordingCaller()
                calls = [a.call(caller_at_a), b.call(caller_at_b)]
                take_of_a, take_of_b = await caller_at_a.path, await caller_at_b.path
                assert (take_of_a.parent, take_of_b.parent) == (a.folder / "takes", b.folder / "takes")
                assert await nodes_of_calls(rows) == ["a", "b"]
                service_of_a.kill()
            # The recovery of b delivers this after the time in which it would take a's recording for finished.
            fallback = b.folder / "takes" / "fallback-demo-1000-5550100-1764400000-1.wav"
            wav.write(fallback, speech_pcm(2000))
            await until(lambda: not fallback.exists())
            assert take_of_a.exists(), "the recording of node a is left to node a"
            assert len(await app.messages(box)) == 1
            caller_at_a.hang_up()
            with a.service():
                assert await nodes_of_calls(rows) == ["b"], "the start of a closes the call of a only"
                caller_at_b.hang_up()
                await calls[1]
                await until(lambda: not take_of_a.exists() and not take_of_b.exists())
                assert len(await app.messages(box)) == 3
                assert await nodes_of_calls(rows) == []
            await asyncio.gather(*calls, return_exceptions=True)
        app.close()

    asyncio.run(run())


class Line:
    """A line of a provider on which people call one after another: at a node, and at the next one if that is away."""

    def __init__(self, nodes: Sequence[Node], prefix: str) -> None:
        self._nodes = nodes
        self._prefix = prefix
        self.callers: list[str] = []
        """Numbers of those who left a message."""
        self.refused: list[str] = []
        """Of those whom no node has taken."""

    async def call_until(self, is_done: asyncio.Event) -> None:
        while not is_done.is_set():
            number = f"{self._prefix}{len(self.callers):03}"
            for node in self._nodes:
                caller = RecordingCaller()
                call = node.call(caller, number)
                either: set[asyncio.Future[Any]] = {call, caller.path}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                caller.hang_up()
                await asyncio.gather(call, return_exceptions=True)
                if caller.path.done():
                    self.callers.append(number)
                    break
            else:
                self.refused.append(number)
            await asyncio.sleep(0.1)


@pytest.fixture
def rolling_url(postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of its own: the newer version changes its schema."""
    with postgresql.connect("postgres") as connection:
        connection.execute("CREATE DATABASE rolling_services OWNER ivr")
    url = postgresql.url("rolling_services")
    monkeypatch.setattr(app_fixture, "database_url", lambda _: url)
    yield url
    with postgresql.connect("postgres") as connection:
        connection.execute("DROP DATABASE rolling_services WITH (FORCE)")


async def test_nodes_are_upgraded_in_turn_and_every_message_is_there_once(rolling_url: str, tmp_path: Path) -> None:
    """The newer version migrates beside the older one. On two lines people call all the time."""
    site = Site(tmp_path / "data")
    site.environment |= {"IVR_DATABASE__URL": rolling_url, "IVR_DATABASE__CONNECTIONS": "4"}
    a, b = Node(site, "a"), Node(site, "b")
    app = AppFixture(site.folder)
    app.clock = SystemClock()  # type: ignore[assignment]
    await app.open()
    box = await app.create_box(max_message_count=1000)
    lines = [Line((a, b), "551"), Line((b, a), "552")]
    is_done = asyncio.Event()

    async def more_calls(number: int) -> None:
        wanted = [len(line.callers) + number for line in lines]
        await until(lambda: all(len(line.callers) >= count for line, count in zip(lines, wanted, strict=True)))

    with ExitStack() as older_a, ExitStack() as older_b, ExitStack() as newer:
        for node, stack in ((a, older_a), (b, older_b)):
            await asyncio.to_thread(stack.enter_context, node.service())
        calling = [asyncio.create_task(line.call_until(is_done)) for line in lines]
        await more_calls(3)
        for node, older in ((a, older_a), (b, older_b)):
            speaking = RecordingCaller()
            call = node.call(speaking, f"559{node.name}")
            await speaking.path
            await asyncio.to_thread(older.close)
            await asyncio.to_thread(newer.enter_context, node.service(*NEWER_IVR, "serve", "--only", "calls"))
            speaking.hang_up()
            await asyncio.gather(call, return_exceptions=True)
            await more_calls(3)
        is_done.set()
        await asyncio.gather(*calling)
        await until(lambda: not [*a.takes(), *b.takes()])

    callers = [caller for line in lines for caller in line.callers]
    stored = [message.caller.number for message in await app.messages(box)]
    assert [line.refused for line in lines] == [[], []]
    assert sorted(stored) == sorted([*callers, "559a", "559b"])
    with psycopg.connect(app.settings.database.url) as connection:
        assert connection.execute("SELECT count(later) FROM messages").fetchone() == (0,)
    app.close()
