"""Open pages follow changes: by phone, by other processes, and after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.http_protocol import ConnectionLimits
from ivr.api.server import ApiServer, ListenAddress
from ivr.app import App
from ivr.mailbox.mailbox import Mailbox
from ivr.page_services import build_page
from ivr.storage.records import ChangeReason, Folder
from ivr.web.live_updates import LiveUpdates
from tests.support.app_fixture import AppFixture
from tests.web.conftest import Browser

TIMEOUT_S = 30


@pytest.fixture
async def box(app: AppFixture, browser: Browser) -> Mailbox:
    """alice's mailbox, which the browser is signed in to."""
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    return box


@asynccontextmanager
async def follow(browser: Browser, path: str) -> AsyncIterator[AsyncIterator[str]]:
    """Open a stream; yields the data of its events, and ends with the stream."""
    async with browser.http.stream("GET", path) as response:
        assert response.headers["content-type"].startswith("text/event-stream"), response.status_code

        async def events() -> AsyncIterator[str]:
            lines = response.aiter_lines()
            with suppress(StopAsyncIteration):
                while True:
                    line = await asyncio.wait_for(anext(lines), TIMEOUT_S)
                    if line.startswith("data: "):
                        yield line.removeprefix("data: ")

        yield events()


async def test_page_is_told_what_phone_rest_and_other_processes_change(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    other_box = await app.create_box("1001", app.bob)
    message = await app.create_message(box)
    html = await browser.open(f"/page/box/{box.id}")
    other_process = App(app.settings, clock=app.clock).open()
    async with follow(browser, f"/page/box/{box.id}/live") as events:
        first = await anext(events)
        assert f'data-changes="{first}"' in html, "a page that is up to date is not fetched again"
        seen = [first]
        for change in (
            app.create_message(box),
            app.run_call(endpoint="alice", number="1000"),  # Saves the message that is played.
            other_process.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.API_REQUEST),
            app.container.messages.set_marks(box.id, message.id, urgent=True),
            app.container.database.write(
                lambda c: c.execute("UPDATE messages SET transcription = 'x' WHERE id = ?", (message.id,)).rowcount
            ),
            app.container.messages.soft_delete(box.id, [message.id]),
        ):
            await app.create_message(other_box)  # Is no change of this mailbox.
            await change
            seen.append(await anext(events))
        assert len(set(seen)) == len(seen)
    other_process.close()


async def test_stream_ends_with_its_session_and_is_for_own_mailboxes(
    app: AppFixture, browser: Browser, other_browser: Browser, box: Mailbox
) -> None:
    foreign = await app.create_box("1001", app.bob)
    assert (await browser.http.get(f"/page/box/{foreign.id}/live")).status_code == 404
    assert (await other_browser.http.get(f"/page/box/{box.id}/live", follow_redirects=False)).status_code == 303
    await other_browser.sign_in_by_password()
    async with follow(browser, f"/page/box/{box.id}/live") as events, follow(other_browser, "/page/live") as all_boxes:
        assert await anext(events) == await anext(all_boxes)
        await app.container.pins.set_by_owner(box, "8341")
        await app.create_message(box)
        assert [event async for event in events] == [], "the new PIN has ended the session"
        assert await anext(all_boxes)


async def test_pages_of_a_session_share_one_look_at_it_and_end_with_it_alone(
    app: AppFixture, browser: Browser, other_browser: Browser, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change reaches all pages of a session at once: they look once whether it still exists, each change anew."""
    await other_browser.sign_in_by_pin()
    tokens, looks, path = app.container.tokens, [], f"/page/box/{box.id}/live"
    find_session = tokens.find_page_session

    async def count_look(text: str) -> object:
        looks.append(text)
        await asyncio.sleep(0.5)  # A store that answers late, so that all pages ask while it does.
        return await find_session(text)

    async with AsyncExitStack() as streams:
        pages = [await streams.enter_async_context(follow(browser, path)) for _ in range(5)]
        others = await streams.enter_async_context(follow(other_browser, path))
        for events in (*pages, others):
            await anext(events)
        monkeypatch.setattr(tokens, "find_page_session", count_look)
        await app.create_message(box)
        assert len({await anext(events) for events in (*pages, others)}) == 1
        own, other = browser.http.cookies["ivr_session"], other_browser.http.cookies["ivr_session"]
        assert sorted(looks) == sorted([own, other])
        session = await find_session(own)
        assert session
        await tokens.end_session(session)
        await app.create_message(box)
        assert [event for events in pages async for event in events] == [], "an earlier look is not used again"
        assert await anext(others), "another session of the same mailbox goes on"


async def test_stopping_the_service_ends_streams_at_once(app: AppFixture, box: Mailbox, browser: Browser) -> None:
    from ivr.api.asgi import build_asgi_app
    from ivr.api.server import ApiServer, ListenAddress
    from ivr.page_services import build_page

    page = build_page(app.container)
    server = ApiServer(
        build_asgi_app(app.container.api_services, page), ListenAddress("127.0.0.1", 0), on_stop=page.close
    )
    other = Browser(await server.start())
    await other.sign_in_by_pin()
    async with follow(other, f"/page/box/{box.id}/live") as events:
        before = await anext(events)
        await server.stop()
        assert [event async for event in events] == []
    await other.http.aclose()
    async with follow(browser, f"/page/box/{box.id}/live") as events:
        assert await anext(events) == before, "what a page knows is known by the next run of the service"


async def test_streams_of_an_owner_are_bounded(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    path = f"/page/box/{box.id}/live"
    async with AsyncExitStack() as streams:
        open_streams = [await streams.enter_async_context(follow(browser, path)) for _ in range(20)]
        for events in open_streams:
            await anext(events)
        refused = await browser.http.get(path)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    status = 503
    while status == 503:  # The server notices a little later that the connections are gone.
        async with browser.http.stream("GET", path) as response:
            status = response.status_code
    assert status == 200


async def test_streams_opened_at_the_same_moment_are_bounded_too(browser: Browser, box: Mailbox) -> None:
    followed, all_answered = 0, asyncio.Barrier(25)

    async def open_stream() -> None:
        nonlocal followed
        async with browser.http.stream("GET", f"/page/box/{box.id}/live") as response:
            lines = response.aiter_lines()  # A name that stays: without one, the stream ends, and leaves its place.
            async for line in lines:
                if line.startswith("data: "):
                    followed += 1
                    break
            await all_answered.wait()

    await asyncio.wait_for(asyncio.gather(*(open_stream() for _ in range(25))), TIMEOUT_S)
    assert followed == 20


async def test_open_pages_of_an_office_leave_its_other_people_their_connections(app: AppFixture) -> None:
    """All of them come from one address; each owner has a limit of pages of their own."""
    box = await app.create_box("1000", app.alice)
    page, limits = build_page(app.container), ConnectionLimits(max_per_address=4)
    address = ListenAddress("127.0.0.1", 0, connection_limits=limits)
    server = ApiServer(build_asgi_app(app.container.api_services, page), address, on_stop=page.close)
    browser = Browser(await server.start())
    await browser.sign_in_by_pin()
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(follow(browser, f"/page/box/{box.id}/live")) for _ in range(10)]
        for events in pages:
            await anext(events)
        assert "Mailbox 1000" in await browser.open(f"/page/box/{box.id}")
    await browser.http.aclose()
    while limits.counts:
        await asyncio.sleep(0.01)
    await server.stop()


async def test_page_that_goes_before_its_stream_begins_leaves_no_count(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its address could hold one connection more, each time."""
    box = await app.create_box("1000", app.alice)
    page, limits = build_page(app.container), ConnectionLimits()
    address = ListenAddress("127.0.0.1", 0, connection_limits=limits)
    server = ApiServer(build_asgi_app(app.container.api_services, page), address, on_stop=page.close)
    browser = Browser(await server.start())
    await browser.sign_in_by_pin()
    cookie = browser.http.cookies["ivr_session"]
    tokens, is_asked, may_answer = app.container.tokens, asyncio.Event(), asyncio.Event()
    find_session = tokens.find_page_session

    async def answer_late(text: str) -> object:
        is_asked.set()
        await may_answer.wait()
        return await find_session(text)

    monkeypatch.setattr(tokens, "find_page_session", answer_late)
    _, writer = await asyncio.open_connection("127.0.0.1", browser.http.base_url.port)
    writer.write(f"GET /page/box/{box.id}/live HTTP/1.1\r\nHost: x\r\nCookie: ivr_session={cookie}\r\n\r\n".encode())
    await is_asked.wait()
    await browser.http.aclose()
    writer.transport.abort()
    async with asyncio.timeout(TIMEOUT_S):
        while limits.counts:
            await asyncio.sleep(0.01)
    may_answer.set()
    await server.stop()
    assert not limits.counts


async def until_data(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line.startswith("data: "):
            return


class CountingStore:
    """Counts the queries. `written`: changes when anything is written."""

    def __init__(self) -> None:
        self.written = b"0"
        self.queries = 0
        self.looks = 0

    def fingerprint(self) -> bytes:
        self.looks += 1
        return self.written

    async def count(self, box_ids: Collection[str]) -> dict[str, int]:
        self.queries += 1
        return dict.fromkeys(box_ids, int(self.written))


async def test_nothing_is_read_while_nothing_is_written_and_nothing_is_done_without_pages() -> None:
    store = CountingStore()
    updates = LiveUpdates(store, interval_s=0.01)
    with updates.watch(["a"], "alice") as watcher, updates.watch(["a", "b"], "bob") as other:
        assert await watcher.next_change(5) == 0
        assert await other.next_change(5) == 0
        assert await watcher.next_change(0.2) is None
        queries = store.queries
        assert store.looks > queries
        store.written = b"3"
        assert await watcher.next_change(5) == 3
        assert await other.next_change(5) == 6
        assert store.queries == queries + 1, "one query for all pages"
    assert updates.streams == 0
    assert await watcher.next_change(0.1) is None
    looks = store.looks
    assert await watcher.next_change(0.1) is None
    assert store.looks == looks
    updates.close()
