"""Folders and messages on the page: what is shown, what is changed, and what hostile contents do."""

from __future__ import annotations

import json
import re
from html import escape, unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from ivr.audio import wav
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditQuery, Message
from ivr.web import page_forward
from ivr.web.message_views import timed_words
from tests.api.conftest import tone
from tests.support.app_fixture import AppFixture
from tests.web.conftest import Browser

XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
async def box(app: AppFixture, browser: Browser) -> Mailbox:
    """alice's mailbox, which the browser is signed in to."""
    box = await app.create_box("1000", app.alice)
    await browser.sign_in_by_pin()
    return box


def path_of(message: Message) -> str:
    return f"/page/box/{message.box_id}/message/{message.id}"


async def test_folder_shows_newest_message_first_with_counts(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    await app.create_message(box, caller="2001", age_s=3600, s=65)
    await app.create_message(box, caller="2002", age_s=60, urgent=True)
    await app.create_message(box, caller="2003", folder="saved")
    await browser.open(f"/page/box/{box.id}")
    assert [row.split()[0] for row in browser.rows] == ["Urgent", "2001"]
    assert "2002" in browser.rows[0]
    assert "1:05" in browser.rows[1]
    assert "New 2 Saved 1 Deleted 0" in browser.text
    await browser.open(f"/page/box/{box.id}?folder=saved")
    assert [row.split()[0] for row in browser.rows] == ["2003"]


@pytest.mark.parametrize(("folder", "action", "target", "after_undo"), [
    ("new", "save", "saved", "new"), ("new", "delete", "deleted", "new"), ("saved", "delete", "deleted", "saved"),
    ("saved", "new", "new", "saved"), ("deleted", "restore", "new", "deleted"),
])  # fmt: skip
async def test_selected_messages_change_and_undo_brings_them_back(
    app: AppFixture, browser: Browser, box: Mailbox, folder: str, action: str, target: str, after_undo: str
) -> None:
    chosen = [await app.create_message(box, folder=folder) for _ in range(2)]
    other = await app.create_message(box, folder=folder)
    await browser.open(f"/page/box/{box.id}?folder={folder}")
    await browser.send(
        f"/page/box/{box.id}/messages", folder=folder, action=action, id=[message.id for message in chosen]
    )
    assert [await app.folder_of(message) for message in chosen] == [target] * 2
    assert await app.folder_of(other) == folder
    assert ": 2." in browser.text
    assert "Undo" in browser.text
    await press_undo(browser, f"/page/box/{box.id}/messages")
    assert [await app.folder_of(message) for message in chosen] == [after_undo] * 2
    assert "Undone" in browser.text


async def set_transcript(app: AppFixture, message: Message, text: str, **members: Any) -> None:
    document = json.dumps({"result": "success", "text": text, **members})
    sql = "UPDATE messages SET transcription = ? WHERE id = ?"
    await app.container.database.write(lambda c: c.execute(sql, (document, message.id)).rowcount)


async def test_search_shows_messages_of_all_folders_and_undo_returns_each_to_its_own(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    others = await app.create_box("1001", app.bob)
    await set_transcript(app, await app.create_message(others, caller="2009"), "a wheel of another owner")
    found = {name: await app.create_message(box, folder=name, caller="2001") for name in ("new", "saved", "deleted")}
    for message in found.values():
        await set_transcript(app, message, "word " * 40 + "<b>the wheel</b> is ready")
    await app.create_message(box, caller="2002")
    await browser.open(f"/page/box/{box.id}")
    await browser.open(f"/page/box/{box.id}/search?q=WHE")
    assert sorted(row.split()[1] for row in browser.rows) == ["Deleted", "New", "Saved"]
    assert all("<b>the wheel</b> is ready" in row for row in browser.rows), "the part with the word, as text"
    await browser.open(f"{path_of(found['saved'])}?q=WHE")
    assert f'href="/page/box/{box.id}/search?q=WHE"' in browser.page.text
    ids = [message.id for message in found.values()]
    for action, folder in (("save", "saved"), ("delete", "deleted"), ("new", "new")):
        await browser.send(f"/page/box/{box.id}/messages", q="WHE", action=action, id=ids)
        assert ": 2." in browser.text, "one was there already"
        assert {await app.folder_of(message) for message in found.values()} == {folder}
        await press_undo(browser, f"/page/box/{box.id}/messages")
        assert {name: await app.folder_of(message) for name, message in found.items()} == {name: name for name in found}
        assert len(browser.rows) == 3, "the search is still shown"


async def test_search_is_shown_as_text_pages_and_is_no_error(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    messages = [await app.create_message(box, s=0.1, caller="5550100", age_s=n) for n in range(1, 54)]
    await browser.open(f"/page/box/{box.id}/search?q=555")
    assert len(browser.rows) == 50
    more = unescape(re.findall(r'data-more href="([^"]+)"', browser.page.text)[0])
    await browser.open(more)
    assert len(browser.rows) == 3
    assert messages[-1].id in browser.page.text
    for text in (XSS, '"', "NEAR(", "*", "\0", "'", "x" * 5000, "AND OR", "%", "{{ 7*7 }}"):
        await browser.open(f"/page/box/{box.id}/search?{urlencode({'q': text})}")
        assert browser.page.status_code == 200
        assert browser.rows == []
        assert f'value="{escape(text)[:100]}' in browser.page.text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    await browser.open(f"/page/box/{box.id}/search?q=+")
    assert str(browser.page.url).endswith(f"/page/box/{box.id}"), "no words: the folder"


def spoken(text: str) -> list[dict[str, object]]:
    return [{"word": word, "start_ms": 500 * n, "end_ms": 500 * n + 400} for n, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("Hello, it is me.", spoken("Hello, it is me."), [("Hello,", 0), ("it", 500), ("is", 1000), ("me.", 1500)]),
        ("call 2557 now", spoken("call two five five seven now"), [("call", 0), ("2557", 500), ("now", 2500)]),
        ("ends with 255", spoken("ends with two five five"), [("ends", 0), ("with", 500), ("255", 1000)]),
        ("more than times", spoken("more than"), [("more", 0), ("than", 500), ("times", None)]),
        ("no times", [], []),
        ("wrong times", [{"word": "wrong", "start_ms": '0" onclick="x', "end_ms": 1}], []),
        ("wrong form", {"word": "a"}, []),
    ],
)  # fmt: skip
async def test_words_have_the_times_at_which_they_are_said(
    text: str, words: Any, expected: list[tuple[str, int | None]]
) -> None:
    found = timed_words(json.dumps({"result": "success", "text": text, "words": words}))
    assert [(word.text, word.start_ms) for word in found] == expected


async def test_hostile_words_of_a_transcript_are_text(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    message = await app.create_message(box)
    await set_transcript(app, message, XSS, words=spoken(XSS))
    await browser.open(path_of(message))
    assert 'data-start="0"' in browser.page.text
    assert "<img" not in browser.page.text
    assert "<script>alert" not in browser.page.text
    assert XSS.split()[0] in browser.text


async def test_mailbox_of_another_owner_cannot_be_searched(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    others = await app.create_box("1001", app.bob)
    await app.create_message(others, caller="2009")
    await browser.open(f"/page/box/{others.id}/search?q=2009")
    assert browser.page.status_code == 404
    await browser.http.post("/page/sign-out", data={"csrf": ""})
    browser.http.cookies.clear()
    await browser.open(f"/page/box/{box.id}/search?q=2009")
    assert not browser.is_signed_in


async def press_undo(browser: Browser, path: str) -> None:
    """Send the form of the button `Undo` as it is shown."""
    form = browser.page.text.split('<form class="notice"')[1].split("</form>")[0]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(value)
    browser.page = await browser.http.post(path, data=fields, headers={"Origin": browser.url})


async def test_urgent_is_marked_counted_and_undone(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    message = await app.create_message(box)
    await browser.open("/")
    await browser.send(f"/page/box/{box.id}/messages", folder="new", action="urgent", id=message.id)
    assert (await app.container.messages.counts(box.id)).urgent_new == 1
    assert "Urgent" in browser.rows[0]
    await press_undo(browser, f"/page/box/{box.id}/messages")
    assert (await app.container.messages.counts(box.id)).urgent_new == 0


async def test_looking_is_not_hearing_and_the_end_of_the_audio_is(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    message = await app.create_message(box, s=2)
    await browser.open(path_of(message))
    audio = await browser.http.get(f"{path_of(message)}/audio")
    assert audio.status_code == 200
    assert len(audio.content) == wav.HEADER_BYTES + 2 * 16_000
    part = await browser.http.get(f"{path_of(message)}/audio", headers={"Range": "bytes=16044-"})
    assert part.status_code == 206
    assert len(part.content) == 16_000
    assert await app.folder_of(message) == "new"
    heard = await browser.http.post(
        f"{path_of(message)}/heard", headers={"X-CSRF-Token": browser.csrf, "Origin": browser.url}
    )
    assert heard.status_code == 204
    assert await app.folder_of(message) == "saved"
    await app.container.audit_log.flush()
    entries = await app.container.audit_store.find(AuditQuery(subject=message.id), 10)
    assert {entry.action for entry in entries} == {"fetched", "heard"}


async def test_waveform_follows_the_audio_and_is_stored(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    pcm = b"\0\0" * 8000 + b"\x00\x40" * 8000
    message = await app.container.delivery.import_recording(
        box, pcm, (await app.create_message(box)).caller, int(app.clock.now()), (await app.create_message(box)).folder
    )
    peaks = (await browser.http.get(f"{path_of(message)}/waveform")).json()["peaks"]
    assert len(peaks) == 400
    assert set(peaks[:200]) == {0.0}
    assert set(peaks[200:]) == {0.502}
    assert len(list(app.settings.data.folder.rglob("*.waveform"))) == 1
    assert (await browser.http.get(f"{path_of(message)}/waveform")).json()["peaks"] == peaks


async def test_caller_and_transcript_are_text_whatever_they_contain(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    message = await app.create_message(box, caller="2001")
    sql = "UPDATE messages SET caller_name = ?, caller_number = ?, transcription = ? WHERE id = ?"
    values = (XSS, XSS, json.dumps({"result": "success", "text": XSS}), message.id)
    await app.container.database.write(lambda c: c.execute(sql, values).rowcount)
    await app.store_unchecked(box, name=XSS)
    for path in (f"/page/box/{box.id}", path_of(message)):
        html = await browser.open(path)
        assert browser.page.status_code == 200
        assert "<img" not in html
        assert "<script>" not in html
        assert escape(XSS)[:20] in html
    download = await browser.http.get(f"{path_of(message)}/download")
    assert "<" not in download.headers["content-disposition"]
    assert '"' in download.headers["content-disposition"]


@pytest.mark.parametrize("query", ["folder=x", "folder=%3Cscript%3E", "after=x", "after=1.", "after=.a", "after=1e5.a",
                                   "after=1.a'", "folder=new&done=delete&id=%3Cb%3E&lost=%3Cb%3E",
                                   "done=%3Cb%3E"])  # fmt: skip
async def test_forged_addresses_get_an_answer_without_their_markup(
    app: AppFixture, browser: Browser, box: Mailbox, query: str
) -> None:
    html = await browser.open(f"/page/box/{box.id}?{query}")
    assert browser.page.status_code in (200, 400)
    assert "<b>" not in html.replace("<b>2001", "")
    assert "<script>" not in html


async def test_messages_of_other_owners_cannot_be_reached_by_their_ids(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    foreign = await app.create_message(await app.create_box("1001", app.bob))
    through_own = f"/page/box/{box.id}/message/{foreign.id}"
    for path in (path_of(foreign), through_own):
        for end in ("", "/audio", "/download", "/waveform"):
            assert (await browser.http.get(f"{path}{end}")).status_code == 404
        for end in ("/heard", "/forward"):
            response = await browser.http.post(
                f"{path}{end}", data={"csrf": browser.csrf, "to": "1000"}, headers={"X-CSRF-Token": browser.csrf}
            )
            assert response.status_code == 404
    await browser.open("/")
    for box_id in (box.id, foreign.box_id):
        await browser.send(f"/page/box/{box_id}/messages", folder="new", action="delete", id=foreign.id)
        await browser.open("/")
    assert await app.folder_of(foreign) == "new"


async def test_message_that_is_gone_or_without_audio_is_explained(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    gone, silent = await app.create_message(box), await app.create_message(box)
    await browser.open("/")
    await app.container.messages.soft_delete(box.id, [gone.id])
    await browser.send(f"/page/box/{box.id}/messages", folder="new", action="save", id=[gone.id, silent.id])
    assert "Saved: 1. Not found any more: 1." in browser.text
    await browser.open(path_of(gone))
    assert browser.page.status_code == 404
    assert "not any more" in browser.text
    for path in app.container.delivery.audio_paths(silent):
        path.unlink()
    await browser.open(path_of(silent))
    assert browser.page.status_code == 200
    for end in ("/audio", "/download", "/waveform"):
        assert (await browser.http.get(f"{path_of(silent)}{end}")).status_code == 404


async def test_ten_thousand_messages_are_read_in_parts_that_cost_the_same(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    """Each part reads the same number of rows, wherever it is."""
    message = await app.create_message(box)
    columns = [row[1] for row in await app.container.database.read(
        lambda c: c.execute("PRAGMA table_info(messages)").fetchall())]  # fmt: skip
    selected = ", ".join({"id": "'201605-' || printf('%032x', n)", "time": "time - n * 60", "arrival_seq": "n + 10",
                          "caller_number": "printf('%05d', n)"}.get(name, name) for name in columns)  # fmt: skip
    sql = (
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)"
        f" INSERT INTO messages ({', '.join(columns)}) SELECT {selected} FROM numbers, messages WHERE id = ?"
    )
    await app.container.database.write(lambda c: c.execute(sql, (message.id,)).rowcount)
    await browser.open(f"/page/box/{box.id}")
    assert len(browser.rows) == 50
    assert len(browser.page.content) < 100_000
    seen = len(browser.rows)
    for _ in range(4):
        [link] = re.findall(r'data-more href="([^"]+)"', browser.page.text)
        await browser.open(link.replace("&amp;", "&") + "&part=1")
        assert len(browser.rows) == 50
        assert "<html" not in browser.page.text
        seen += 50
        assert browser.rows[-1].startswith(f"{seen - 1:05}")
    await browser.open(f"/page/box/{box.id}?part=1&after={message.time - 9990 * 60}.201605-{9990:032x}")
    assert [row.split()[0] for row in browser.rows] == [f"{n:05}" for n in range(9991, 10001)]


async def test_scripts_change_a_whole_folder_in_parts(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    messages = [await app.create_message(box, s=0.1, age_s=n + 1, caller="5550100") for n in range(3)]
    gone = await app.create_message(box, s=0.1, age_s=0)
    for path in (f"/page/box/{box.id}?folder=new", f"/page/box/{box.id}/search?q=555"):
        await browser.open(path)
        key = f"{messages[0].time}.{messages[0].id}"
        listed = (await browser.http.get(f"{path}&part=ids&after={key}")).json()
        assert listed == {"ids": [message.id for message in messages[1:]], "next": ""}
    await app.container.messages.soft_delete(box.id, [gone.id])
    ids = [messages[0].id, gone.id]
    await browser.send(f"/page/box/{box.id}/messages", action="delete", part="1", id=ids)
    assert browser.page.json() == {"changed": [messages[0].id], "lost": [gone.id]}
    assert [await app.folder_of(message) for message in messages] == ["deleted", "new", "new"]
    await browser.open("/")
    await browser.send(f"/page/box/{box.id}/messages", action="delete", id=[f"{n}" for n in range(501)])
    assert browser.page.status_code == 400, "no rest is left out without a word"


async def test_script_learns_the_address_of_the_page_that_follows(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    message = await app.create_message(box)
    await browser.open("/")
    fields = {"csrf": browser.csrf, "folder": "new", "action": "save", "id": message.id}
    headers = {"Origin": browser.url, "X-Address-Only": "1"}
    answer = await browser.http.post(f"/page/box/{box.id}/messages", data=fields, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    await browser.open(answer.headers["location"])
    assert "Saved: 1." in browser.text


async def test_message_is_forwarded_with_and_without_a_note(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    bobs, carols = await app.create_box("1001", app.bob), await app.create_box("1002")
    message = await app.create_message(box, s=3)
    await browser.open(path_of(message))
    await browser.send(f"{path_of(message)}/forward", to="1001, 1002")
    assert "Forwarded to mailboxes: 2" in browser.text
    for recipient in (bobs, carols):
        [copy] = await app.messages(recipient)
        assert copy.forwarded_by
        assert copy.forwarded_by.number == "1000"
        assert copy.length_ms == 3000
    response = await post_note(browser, message, "1001", tone(2000))
    assert response.status_code == 200, response.text
    copy = next(copy for copy in await app.messages(bobs) if copy.intro_id)
    assert (copy.intro_ms, copy.length_ms) == (2000, 5000)
    assert [wav.length_ms(path) for path in app.container.delivery.audio_paths(copy)] == [2000, 3000]
    takes = await app.container.database.read(lambda c: c.execute("SELECT count(*) FROM takes").fetchone()[0])
    assert takes == 0
    assert not list((app.settings.data.folder / "takes").iterdir())


async def test_attempt_whose_answer_was_lost_sends_only_what_it_has_not_sent(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    recipients = [await app.create_box("1001", app.bob), await app.create_box("1002", app.bob)]
    message = await app.create_message(box)
    await browser.open(path_of(message))
    browser.http.headers["X-Attempt"] = "one"
    for to in ("1001", "1001", "1001 1002"):  # The last one with a number more, as its owner has thought of it.
        if to != "1001":  # And in another session, as the one before has ended.
            browser.http.cookies.clear()
            await browser.sign_in_by_pin()
            await browser.open(path_of(message))
        await browser.send(f"{path_of(message)}/forward", to=to)
        assert "Forwarded to mailboxes:" in browser.text
    assert [len(await app.messages(recipient)) for recipient in recipients] == [1, 1]


async def test_message_is_forwarded_to_the_members_of_a_distribution_list(
    app: AppFixture, browser: Browser, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = {"800": ["1000", "1001", "1002"], "801": ["1001", "4711", "1003"], "802": ["1003"]}
    account = await app.container.directory.account(app.account.id)
    await app.container.directory.update_account(account.model_copy(update={"settings": {"distribution_lists": lists}}))
    bobs, carols = await app.create_box("1001", app.bob), await app.create_box("1002")
    message = await app.create_message(box)
    await browser.open(path_of(message))
    await browser.send(f"{path_of(message)}/forward", to="800")
    assert "Forwarded to mailboxes: 2" in browser.text
    await app.create_box("1003", enabled=False)
    await browser.send(f"{path_of(message)}/forward", to="801")
    assert "Forwarded to mailboxes: 1" in browser.text
    assert "cannot take messages: 4711, 1003." in browser.text, "as at the phone, the others have it"
    await browser.send(f"{path_of(message)}/forward", to="802")
    assert "cannot take messages: 1003." in browser.text
    await browser.send(f"{path_of(message)}/forward", to="4711")
    assert "no mailbox 4711" in browser.text
    await browser.send(f"{path_of(message)}/forward", to="1003")
    assert "no mailbox 1003" in browser.text, "as at the phone"
    monkeypatch.setattr(page_forward, "MAX_RECIPIENTS", 1)
    await browser.send(f"{path_of(message)}/forward", to="800")
    assert "at most 1" in browser.text
    assert [len(await app.messages(one)) for one in (box, bobs, carols)] == [1, 2, 1]


async def post_note(browser: Browser, message: Message, to: str, audio: bytes) -> httpx.Response:
    headers = {"X-CSRF-Token": browser.csrf, "Content-Type": "audio/wav", "Origin": browser.url}
    return await browser.http.post(f"{path_of(message)}/forward", params={"to": to}, content=audio, headers=headers)


@pytest.mark.parametrize(("to", "words"), [
    ("", "at least one"), ("1000", "in mailbox 1000 already"), ("4711", "no mailbox 4711"),
    ("<b>", "no mailbox <b>"), (",".join(map(str, range(21))), "at most 20"),
])  # fmt: skip
async def test_forwarding_to_what_cannot_take_it_sends_nothing(
    app: AppFixture, browser: Browser, box: Mailbox, to: str, words: str
) -> None:
    bobs = await app.create_box("1001", app.bob)
    message = await app.create_message(box)
    await browser.open(path_of(message))
    html = await browser.send(f"{path_of(message)}/forward", to=f"1001,{to}" if to else "")
    assert browser.page.status_code == 400
    assert words in browser.text
    assert "<b>" not in html
    assert await app.messages(bobs) == []


async def test_note_that_is_no_sound_is_refused(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    bobs = await app.create_box("1001", app.bob)
    message = await app.create_message(box)
    await browser.open(path_of(message))
    response = await post_note(browser, message, "1001", b"no sound at all" * 100)
    assert response.status_code == 400
    assert "was not forwarded" in response.text
    assert await app.messages(bobs) == []


async def test_scripts_and_styles_are_compressed_and_views_with_secrets_are_not(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    await browser.open(f"/page/box/{box.id}")
    assert "content-encoding" not in browser.page.headers
    for name in ("page.css", "live.js", "wavesurfer.esm.js"):
        files = {}
        for accepted in ("gzip, deflate, br", "identity"):
            files[accepted] = await browser.http.get(f"/page/static/{name}", headers={"Accept-Encoding": accepted})
        compressed, plain = files.values()
        assert compressed.content == plain.content, "httpx decompresses"
        assert (compressed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
        assert int(compressed.headers["content-length"]) < 0.6 * int(plain.headers["content-length"])
        assert compressed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


async def test_first_view_is_small(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    """Under 100 kB over the wire, with all that the page of a message loads."""
    message = await app.create_message(box)
    html = await browser.open(path_of(message))
    size = len(html)
    for address in {
        *re.findall(r'(?:src|href)="(/page/static/[^"]+)"', html),
        *(f"/page/static/{name}" for name in ("wavesurfer.esm.js", "forms.js", "recorder.js")),
    }:
        response = await browser.http.get(address)
        assert response.status_code == 200
        size += len(response.content)
    assert size < 100_000


async def test_scripts_name_each_other_by_their_digests(browser: Browser) -> None:
    """Else browsers ask at each view whether one has changed, one after the other: 800 ms each on a slow network."""
    message = (await browser.http.get("/page/static/message.js")).text
    imported = re.findall(r'"\./([^"]+)"', message)
    assert {name.partition("?")[0] for name in imported} == {
        "forms.js", "recorder.js", "waiting.js", "wavesurfer.esm.js"}  # fmt: skip
    for name in imported:
        response = await browser.http.get(f"/page/static/{name}")
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_scripts_without_a_digest_are_asked_for_again_after_an_upgrade(browser: Browser) -> None:
    address = "/page/static/forms.js"
    first = await browser.http.get(address)
    assert first.headers["cache-control"] == "no-cache"
    etag = first.headers["etag"]
    again = await browser.http.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    changed = await browser.http.get(address, headers={"If-None-Match": 'W/"earlier"'})
    assert changed.content == first.content
    named = await browser.http.get(address, params={"v": etag.split('"')[1]})
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
