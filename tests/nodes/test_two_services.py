"""Two services on one set of rows, each beside its own Asterisk with its own takes, in processes of their own."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ivr.app import App
from ivr.audio import wav
from ivr.clock import SystemClock
from ivr.terminal.fake_asterisk import AgiRequest, FakeAsterisk
from tests.support.app_fixture import AppFixture
from tests.support.handset import ScriptedHandset
from tests.support.service_site import IVR, Site
from tests.support.speech import speech_pcm

TIMEOUT_S = 60.0


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
        self.site.environment |= {"IVR_NODE__NAME": name, "IVR_NODE__FOLDER": str(self.folder)}
        self.name = name

    @contextmanager
    def service(self) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [*IVR, "serve", "--only", "calls"], env=self.site.environment, stdout=subprocess.PIPE,
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

    def call(self, handset: RecordingCaller) -> asyncio.Task[str]:
        """A caller at the Asterisk of this node leaves a message."""
        request = AgiRequest("leave", ("account=demo", "number=1000"), f"PJSIP/trunk-{self.name}", "5550100")
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
