"""Audio over REST: uploads, downloads and ZIP archives (EP09, EP10, EP17, EP23, EP24)."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ivr.api.audio_headers import OpenAudioFiles
from ivr.audio import wav
from ivr.audio.formats import by_name
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.storage.records import GREGORIAN_OFFSET_S, FolderCounts, RecordingPurpose
from tests.api.conftest import RestClient, data_files, encode_audio, tone
from tests.support.app_fixture import NOON, AppFixture
from tests.support.scripted_call import HangUp, Press
from tests.support.upload_kinds import problems_of, upload_kinds

JSON = b'{"data": {"caller_id_number": "6001", "caller_id_name": "someone"}}'
BOUNDARY = "xxBOUNDARYxx"
MIXED = {"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"}


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


def multipart_part(content: bytes, kind: str, name: str = "content", *more: str) -> bytes:
    head = [
        f'Content-Disposition: form-data; name="{name}"; filename="../../etc/passwd"',
        f"Content-Type: {kind}",
        *more,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + content


def multipart(*parts: bytes, end: bool = True) -> bytes:
    middle = b"".join(f"--{BOUNDARY}\r\n".encode() + one + b"\r\n" for one in parts)
    return middle + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


async def rendition_paths(app: AppFixture, message_id: str, box: Mailbox) -> tuple[Path, Path]:
    """Return the paths of the recording and the original upload of a message."""
    message = await app.container.messages.get(box.id, message_id, 0)
    recording = app.container.delivery.audio_paths(message)[-1]
    return recording, app.container.recordings.upload_path(recording)


async def audio_heard_by_phone(app: AppFixture) -> list[str]:
    phone = await app.run_call([HangUp(during="(message")], endpoint="alice", number="1000")
    return phone.texts


# -- uploads -----------------------------------------------------------------------------------------------------------


async def test_message_created_in_two_requests_is_heard_by_phone(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    response = await rest.request("PUT", f"/{box.id}/messages", {
        "caller_id_name": "someone", "caller_id_number": "6001", "folder": "new", "from": "someone@farfaraway.com",
    })  # fmt: skip
    message = response.json()["data"]
    assert (response.status_code, response.headers["location"]) == (201, message["media_id"])
    assert message == {
        "timestamp": NOON + GREGORIAN_OFFSET_S, "from": "someone@farfaraway.com", "to": "1000@demo.example",
        "caller_id_number": "6001", "caller_id_name": "someone", "call_id": message["call_id"], "folder": "new",
        "length": 1, "media_id": message["media_id"],
    }  # fmt: skip
    assert len(message["call_id"]) == 24
    assert message["media_id"].startswith("201605-")
    assert await app.container.messages.counts(box.id) == FolderCounts()
    assert not any("(message" in text for text in (await app.run_call([], endpoint="alice", number="1000")).texts)
    assert [line["media_id"] for line in (await rest.request_ok("GET", f"/{box.id}/messages"))["data"]] == [
        message["media_id"]
    ]

    content = tone(3140)
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    envelope = await rest.request_error(404, "GET", path)
    assert envelope["data"]["message"] == "bad identifier"
    full = await rest.request("PUT", path, content=content, headers={"Content-Type": "audio/x-wav"})
    assert (full.status_code, full.json()["data"]) == (201, {**message, "length": 3140})
    assert await app.container.messages.counts(box.id) == FolderCounts(new=1)
    assert f"(message {message['media_id']})" in await audio_heard_by_phone(app)


async def test_message_without_audio_can_be_changed_and_deleted(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    waiting = [(await rest.upload_message(box.id))["media_id"] for _ in range(3)]
    await rest.request_ok("POST", f"/{box.id}/messages/{waiting[0]}", {"folder": "saved"})
    await rest.request_ok("DELETE", f"/{box.id}/messages/{waiting[1]}")
    other = await app.create_box("1001")
    copied = await rest.request_ok("POST", f"/{box.id}/messages", {"messages": waiting[:1], "source_id": [other.id]})
    assert copied["data"]["failed"] == [{waiting[0]: "not_found"}]
    assert await app.container.messages.counts(box.id) == FolderCounts()
    await rest.request_ok(
        "PUT", f"/{box.id}/messages/{waiting[0]}/raw", content=tone(), headers={"Content-Type": "audio/wav"}
    )
    assert await app.container.messages.counts(box.id) == FolderCounts(saved=1)
    await rest.request_ok("DELETE", f"/{box.id}/messages")
    assert await app.container.messages.counts(box.id) == FolderCounts()
    assert await app.container.messages.used_bytes(box.id) == 0


@pytest.mark.parametrize(
    ("parts", "audio_first"),
    [("multipart/mixed", False), ("multipart/mixed", True), ("multipart/form-data", False)],
)
async def test_message_created_in_one_multipart_request_in_any_order(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path, parts: str, audio_first: bool
) -> None:
    content = encode_audio(tmp_path, ".mp3", 2000)
    both = [multipart_part(JSON, "application/json"), multipart_part(content, "audio/mp3")]
    body = multipart(*(both[::-1] if audio_first else both))
    response = await rest.request(
        "PUT", f"/{box.id}/messages", content=body, headers={"Content-Type": f"{parts}; boundary={BOUNDARY}"}
    )
    message = response.json()["data"]
    assert response.status_code == 201
    assert (message["caller_id_number"], message["from"]) == ("6001", "6001@demo.example")
    assert abs(message["length"] - 2000) < 120
    recording, upload = await rendition_paths(app, message["media_id"], box)
    assert upload.read_bytes() == content
    assert wav.is_canonical(recording.read_bytes()[:44])
    assert wav.length_ms(recording) == message["length"]
    assert await app.container.messages.used_bytes(box.id) == len(content) + recording.stat().st_size


async def test_base64_parts_are_decoded(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    content = tone(500)
    body = multipart(
        multipart_part(base64.encodebytes(content), "audio/wav", "content", "Content-Transfer-Encoding: base64"),
        multipart_part(base64.encodebytes(JSON), "application/json", "content", "Content-Transfer-Encoding: BASE64"),
    )
    message = (await rest.request_ok("PUT", f"/{box.id}/messages", content=body, headers=MIXED))["data"]
    assert (message["length"], message["caller_id_number"]) == (500, "6001")
    assert (await rendition_paths(app, message["media_id"], box))[1].read_bytes() == content


async def test_base64_body_is_decoded(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await rest.upload_message(box.id)
    content = tone(5000)
    headers = {"Content-Type": "audio/wav", "Content-Transfer-Encoding": "base64"}
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    await rest.request_ok("PUT", path, content=base64.encodebytes(content), headers=headers)
    assert (await rest.request("GET", path)).content == content
    await rest.request_error(400, "PUT", path, content=base64.b64encode(content)[:-2], headers=headers)
    await rest.request_error(400, "PUT", path, content=b"!!!!" * 10, headers=headers)
    assert (await rest.request("GET", path)).content == content


@pytest.mark.parametrize(
    ("extension", "kind"),
    [(".wav", "audio/x-wav"), (".mp3", "audio/mpeg"), (".ogg", "audio/ogg"), (".m4a", "audio/mp4"),
     (".flac", "audio/flac"), (".webm", "audio/webm"),
     (".mp3", "application/octet-stream"), (".wav", "application/x-www-form-urlencoded")],
)  # fmt: skip
async def test_every_audio_format_is_accepted_and_returned_unchanged(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path, extension: str, kind: str
) -> None:
    content = encode_audio(tmp_path, extension, 1500, "-ar", "16000", "-ac", "2")
    message = await rest.upload_message(box.id)
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    sent = await rest.request_ok("PUT", path, content=content, headers={"Content-Type": kind})
    assert abs(sent["data"]["length"] - 1500) < 150
    response = await rest.request("GET", path)
    assert response.content == content
    as_wav = await rest.request("GET", path, headers={"Accept": "audio/x-wav"})
    assert (as_wav.content == content) == (extension == ".wav")
    assert as_wav.content[:4] == b"RIFF"


async def test_every_kind_of_upload_is_two_seconds_of_its_sound(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    recordings = {}
    for name, content in upload_kinds().items():
        message = await rest.upload_message(box.id)
        path = f"/{box.id}/messages/{message['media_id']}/raw"
        sent = await rest.request("PUT", path, content=content, headers={"Content-Type": "application/octet-stream"})
        recording, _ = await rendition_paths(app, message["media_id"], box)
        recordings[name] = recording.read_bytes() if sent.is_success else sent.content
    assert len(recordings) == 54
    assert problems_of(recordings) == {}


async def test_uploaded_audio_replaces_message_audio(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path
) -> None:
    message = await rest.upload_message(box.id, tone(1000))
    original = await app.container.messages.get(box.id, message["media_id"], 0)
    [copy] = await app.container.delivery.copy(original, [await app.create_box("1001")])
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    content = encode_audio(tmp_path, ".mp3", 3000)
    changed = await rest.request_ok("PUT", path, content=multipart(multipart_part(content, "audio/mp3")), headers=MIXED)
    assert abs(changed["data"]["length"] - 3000) < 150
    assert (await rest.request("GET", path)).content == content
    recording, upload = await rendition_paths(app, message["media_id"], box)
    assert await app.container.messages.used_bytes(box.id) == recording.stat().st_size + upload.stat().st_size
    assert (
        wav.length_ms(app.container.delivery.audio_paths(copy)[0]) == 1000
    )  # A copy keeps the audio it was made from.
    assert await app.container.messages.counts(box.id) == FolderCounts(new=1)


async def test_replacement_audio_counts_against_quota_like_new_message(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path
) -> None:
    """Deleted messages are purged for space, oldest first and no more than necessary; never the message itself."""
    box = await app.container.boxes.patch(box, {"quota_mb": 1})
    deleted = [await app.create_message(box, s=15, folder="deleted", age_s=age) for age in (300, 200, 100)]
    message = await rest.upload_message(box.id, tone(1000), folder="deleted", timestamp=GREGORIAN_OFFSET_S + NOON - 400)
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    await rest.request_ok("PUT", path, content=tone(20_000), headers={"Content-Type": "audio/x-wav"})
    left = {one.id for one in await app.messages(box)}
    assert left == {message["media_id"], deleted[2].id}
    assert await app.container.messages.used_bytes(box.id) <= box.quota_bytes
    assert not app.container.delivery.audio_paths(deleted[0])[0].exists()
    assert (await rest.request("GET", path)).content == tone(20_000)


async def test_copied_message_returns_original_upload(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path
) -> None:
    content = encode_audio(tmp_path, ".ogg")
    message = (
        await rest.request_ok("PUT", f"/{box.id}/messages", content=content, headers={"Content-Type": "audio/ogg"})
    )["data"]
    other = await app.create_box("1001")
    moved = (await rest.request_ok("POST", f"/{box.id}/messages/{message['media_id']}", {"source_id": other.id}))[
        "data"
    ]
    response = await rest.request("GET", f"/{other.id}/messages/{moved['media_id']}/raw")
    assert (response.content, response.headers["content-type"]) == (content, "audio/ogg")


async def test_message_is_announced_once_its_audio_is_uploaded(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    async def outbox_kinds() -> list[str]:
        sql = "SELECT kind FROM outbox WHERE box_id = ? ORDER BY kind"
        return await app.container.database.read(lambda c: [row[0] for row in c.execute(sql, (box.id,))])

    message = await rest.upload_message(box.id)
    assert await outbox_kinds() == []
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    for _ in range(2):
        await rest.request_ok("PUT", path, content=tone(), headers={"Content-Type": "audio/wav"})
        assert await outbox_kinds() == ["mwi", "new"]


@pytest.mark.parametrize(
    ("about", "field", "rule"),
    [
        ({"caller_id_name": "n" * 257}, "caller_id_name", "maxLength"),
        ({"caller_id_number": "n" * 257}, "caller_id_number", "maxLength"),
        ({"caller_id_name": "a\r\nBcc: x"}, "caller_id_name", "wrong_format"),
        ({"folder": "trash"}, "folder", "enum"),
        ({"length": "long"}, "length", "type"),
        ({"timestamp": -1}, "timestamp", "minimum"),
        ({"timestamp": 10**30}, "timestamp", "maximum"),
        ({"from": ["x"]}, "from", "type"),
    ],
)
async def test_message_metadata_violating_rule_is_rejected(
    rest: RestClient, app: AppFixture, box: Mailbox, about: dict[str, Any], field: str, rule: str
) -> None:
    envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", about)
    assert rule in envelope["data"][field]
    assert await app.messages(box) == []


async def test_omitted_message_metadata_gets_defaults(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await rest.upload_message(box.id, timestamp=63630058722, to="2000", from_="x")
    assert message["media_id"].startswith("201605-")
    assert (message["from"], message["to"], message["caller_id_number"], message["caller_id_name"]) == (
        "x@demo.example", "2000@demo.example", "anonymous", "anonymous",
    )  # fmt: skip
    assert message["timestamp"] == 63630058722


async def test_multipart_must_contain_exactly_one_media_file(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    two = multipart(
        multipart_part(JSON, "application/json"),
        multipart_part(tone(), "audio/wav"),
        multipart_part(tone(), "audio/wav"),
    )
    envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", content=two, headers=MIXED)
    assert envelope["data"]["file"]["maxItems"]["message"] == "Please provide a single media file"
    message = await rest.upload_message(box.id)
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    for content, headers in (
        (multipart(multipart_part(JSON, "application/json")), MIXED),
        (JSON, {"Content-Type": "application/json"}),
        (b"", {"Content-Type": "application/json"}),
    ):
        envelope = await rest.request_error(400, "PUT", path, content=content, headers=headers)
        assert envelope["data"]["file"]["required"]["message"] == "Please provide a media file"
    assert not any(".part" in name or "incoming" in name for name in data_files(app))


# -- downloads ---------------------------------------------------------------------------------------------------------


async def test_phone_message_audio_uses_preferred_format_of_box(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    message = await app.create_message(box, s=2, caller="+49 (30) 1")
    path = f"/{box.id}/messages/{message.id}/raw"
    for extension, kind, start in (("mp3", "audio/mpeg", b"\xff\xe3"), ("mp4", "audio/mp4", b"ftyp"),
                                   ("wav", "audio/x-wav", b"RIFF")):  # fmt: skip
        await rest.request_ok("PATCH", f"/{box.id}", {"media_extension": extension})
        response = await rest.request("GET", path)
        assert response.headers["content-type"] == kind
        assert start in response.content[:12]
        name = f"+49_30_1_2016-05-10_11-00-00.{'m4a' if extension == 'mp4' else extension}"
        assert response.headers["content-disposition"].startswith(f'attachment; filename="{name}"')
    assert await app.folder_of(message) == "new"
    assert response.content == app.container.delivery.audio_paths(message)[0].read_bytes()


async def test_accept_header_selects_audio_format(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    path = f"/{box.id}/messages/{message.id}/raw"
    for accept, kind in (
        ("audio/wav", "audio/x-wav"), ("audio/mp4", "audio/mp4"), ("audio/mp3", "audio/mpeg"), ("*/*", "audio/mpeg"),
        ("audio/*;q=0.5, audio/mp4", "audio/mp4"), ("audio/mpeg;q=0, audio/*", "audio/x-wav"),
        ("application/octet-stream", "audio/mpeg"), ("text/html, audio/wav;q=0.1", "audio/x-wav"),
    ):  # fmt: skip
        response = await rest.request("GET", path, headers={"Accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (200, kind), accept
    for accept in ("text/html", "audio/ogg", "audio/*;q=0", "application/json"):
        envelope = await rest.request_error(406, "GET", path, headers={"Accept": accept})
        assert "audio/x-wav" in envelope["data"]["message"]


async def test_range_request_returns_any_byte_range(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await rest.upload_message(box.id, tone(1000))
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    whole = await rest.request("GET", path)
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(whole.content)
    for byte_range, start, end in (("0-99", 0, 100), ("100-", 100, size), ("-10", size - 10, size),
                              (f"5-{size * 9}", 5, size), (f"-{size * 2}", 0, size)):  # fmt: skip
        some = await rest.request("GET", path, headers={"Range": f"bytes={byte_range}"})
        assert some.status_code == 206
        assert some.content == whole.content[start:end]
        assert some.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    for byte_range in (f"{size}-", "-0"):
        response = await rest.request("GET", path, headers={"Range": f"bytes={byte_range}"})
        assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{size}")
    for header in ("bytes=9-2", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes=-"):
        assert (await rest.request("GET", path, headers={"Range": header})).content == whole.content
    tag = whole.headers["etag"]
    assert (await rest.request("GET", path, headers={"If-None-Match": tag})).status_code == 304
    assert (await rest.request("GET", path, headers={"Range": "bytes=0-1", "If-Range": '"x"'})).status_code == 200
    assert (await rest.request("GET", path, headers={"Range": "bytes=0-1", "If-Range": tag})).status_code == 206
    assert (await rest.request("GET", path, headers={"Range": "Bytes=0-1"})).status_code == 206


async def test_etag_is_of_the_recording_and_not_of_its_file(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    """Another node, or a restored installation, has the file with another time."""
    message = await rest.upload_message(box.id, tone(1000))
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    formats = ("audio/x-wav", "audio/mpeg")

    async def tags() -> list[str]:
        return [(await rest.request("GET", path, headers={"Accept": format_})).headers["etag"] for format_ in formats]

    before = await tags()
    for file in app.settings.data.folder.glob("*/vm/*"):
        os.utime(file, ns=(1, 1))
    assert await tags() == before
    await rest.request("PUT", path, content=tone(1000, 500), headers={"Content-Type": "audio/x-wav"})
    assert not set(await tags()) & set(before), "other audio of the same length has another tag"


async def forward_with_intro(app: AppFixture, box: Mailbox, destination: Mailbox, intro_ms: int = 700) -> str:
    """Forward a message with an intro, as by phone, and return the id of the copy."""
    original = await app.create_message(box, s=1)
    from ivr.storage.records import Caller

    take = await app.container.voicemail_services.takes.begin(
        box.account_id, box.id, RecordingPurpose.INTRO, TakeSource("PJSIP/alice-1", "1.1", Caller("1000"))
    )
    wav.write(Path(take.path), b"\x05\x00" * (intro_ms * 8))
    return (await app.container.delivery.forward(original, destination, take, sender=box)).id


async def test_intro_is_prepended_to_message_audio(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    other = await app.create_box("1001", media_extension="wav")
    message_id = await forward_with_intro(app, box, other)
    path = f"/{other.id}/messages/{message_id}/raw"
    response = await rest.request("GET", path)
    intro, original = (
        file.read_bytes()[44:] for file in app.container.delivery.audio_paths((await app.messages(other))[0])
    )
    assert response.content == wav.header(len(intro) + len(original)) + intro + original
    assert wav.length_ms_from_size(len(response.content)) == 1700
    some = await rest.request("GET", path, headers={"Range": f"bytes=40-{44 + len(intro) + 9}"})
    assert some.content == response.content[40 : 44 + len(intro) + 10]
    mp3 = await rest.request("GET", path, headers={"Accept": "audio/mpeg"})
    assert mp3.headers["content-type"] == "audio/mpeg"


async def test_download_completes_when_message_is_deleted_meanwhile(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    message = await rest.upload_message(box.id, tone(30_000))
    async with rest.http.stream("GET", f"{rest.base}/{box.id}/messages/{message['media_id']}/raw") as response:
        chunks = response.aiter_bytes()
        got = await anext(chunks)
        for path in await rendition_paths(app, message["media_id"], box):
            path.unlink()
        async for chunk in chunks:
            got += chunk
    assert got == tone(30_000)


async def test_rendition_is_cached_for_next_request(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    path = f"/{box.id}/messages/{message.id}/raw"
    responses = await asyncio.gather(*(rest.request("GET", path) for _ in range(5)))
    assert len({response.content for response in responses}) == 1
    assert len([name for name in data_files(app) if name.startswith("state/renditions/")]) == 1


# -- ZIP archives ------------------------------------------------------------------------------------------------------


async def test_messages_are_downloaded_as_one_zip(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    await rest.request_ok("PATCH", f"/{box.id}", {"media_extension": "wav"})
    same = [await app.create_message(box, caller="6001", age_s=60, s=n + 1) for n in range(3)]
    names = ("../../etc/CON:x", "/etc/Passwd", "\\ETC\\passwd", "--help", "..", "\u202eJim")
    evil = [await app.create_message(box, caller=name, age_s=60) for name in names]
    hidden = (await rest.upload_message(box.id))["media_id"]
    missing = "201605-" + "0" * 32
    ids = [m.id for m in (*same, *evil)] + [missing, hidden, same[0].id]
    response = await rest.request(
        "POST", f"/{box.id}/messages/raw", {"messages": ids}, headers={"Accept": "application/zip"}
    )
    assert (response.status_code, response.headers["content-type"]) == (200, "application/zip")
    assert response.headers["content-disposition"].startswith(
        f'attachment; filename="{response.headers["x-request-id"]}.zip"'
    )
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    assert archive.namelist() == [
        "6001_2016-05-10_11-59-00.wav", "6001_2016-05-10_11-59-00_2.wav", "6001_2016-05-10_11-59-00_3.wav",
        "etc_CON_x_2016-05-10_11-59-00.wav", "etc_Passwd_2016-05-10_11-59-00.wav",
        "ETC_passwd_2016-05-10_11-59-00_2.wav", "help_2016-05-10_11-59-00.wav", "unknown_2016-05-10_11-59-00.wav",
        "Jim_2016-05-10_11-59-00.wav", "not-in-this-archive.txt",
    ]  # fmt: skip
    assert archive.read("6001_2016-05-10_11-59-00.wav") == app.container.delivery.audio_paths(same[0])[0].read_bytes()
    assert archive.read("not-in-this-archive.txt").decode() == f"{missing}: not_found\r\n{hidden}: not_found\r\n"
    await rest.request_error(406, "POST", f"/{box.id}/messages/raw", {"messages": ids}, headers={"Accept": "text/html"})


async def test_zip_without_audio_is_not_found(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    hidden = (await rest.upload_message(box.id))["media_id"]
    for ids in ([hidden], ["nothing"], [hidden, "nothing"]):
        await rest.request_error(404, "POST", f"/{box.id}/messages/raw", {"messages": ids})
    envelope = await rest.request_error(404, "GET", f"/{box.id}/messages/{hidden}/raw")
    assert envelope["data"]["cause"] == "voicemail message does not have any audio file"


@pytest.mark.parametrize("is_ahead", [False, True])
async def test_message_that_would_be_past_retention_or_in_the_future_is_rejected(
    rest: RestClient, app: AppFixture, box: Mailbox, is_ahead: bool
) -> None:
    files_before = data_files(app)
    times = box.voicemail_settings.message_times(app.clock.now())
    limit = (times[-1] if is_ahead else times[0]) + GREGORIAN_OFFSET_S
    metadata = json.dumps({"data": {"timestamp": limit + 1 if is_ahead else limit - 1}}).encode()
    both = multipart(multipart_part(metadata, "application/json"), multipart_part(tone(), "audio/wav"))
    for content, headers in ((both, MIXED), (metadata, {"Content-Type": "application/json"})):
        envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", content=content, headers=headers)
        assert envelope["data"]["timestamp"]["date_range"]["target"] == limit
    assert data_files(app) == files_before
    accepted = await rest.upload_message(box.id, timestamp=limit)
    await rest.request_ok("GET", f"/{box.id}/messages/{accepted['media_id']}")


async def test_zip_uses_preferred_format_of_box(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    response = await rest.request("POST", f"/{box.id}/messages/raw", {"messages": [message.id]})
    [name] = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
    assert name.endswith(".mp3")


async def test_mp3_of_zip_is_the_one_of_a_single_download(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    messages = [await app.create_message(box, s=n + 1, age_s=60 * (9 - n)) for n in range(8)]
    ids = [message.id for message in messages]
    response = await rest.request("POST", f"/{box.id}/messages/raw", {"messages": ids})
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    entries = [archive.read(name) for name in archive.namelist()]
    app.container.api_services.audio.renditions.clear()
    assert entries == [(await rest.request("GET", f"/{box.id}/messages/{one}/raw")).content for one in ids]


async def test_start_of_another_process_leaves_renditions_that_are_in_use(app: AppFixture) -> None:
    message = await app.create_message(await app.create_box("1000", app.alice))
    renditions = app.container.api_services.audio.renditions
    renditions.remove_stale()
    rendition = await renditions.render(message, by_name("mp3"))
    [(cached, _, _)] = rendition.segments
    stale, running = cached.with_suffix(".mp3.1.part"), cached.with_suffix(".mp3.2.part")
    stale.touch()
    running.touch()
    os.utime(stale, (NOON - 7200, NOON - 7200))
    os.utime(running, (NOON, NOON))
    os.utime(cached, (NOON, NOON))
    app.container.renditions("renditions").remove_stale()
    assert set(cached.parent.iterdir()) == {cached, running}
    await app.container.conversion_pool.close()


async def test_zip_stops_converting_when_client_leaves(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=20)
    ids = [message.id, *[copy.id for copy in await app.container.delivery.copy(message, [box] * 100)]]

    def renditions() -> int:
        return len([name for name in data_files(app) if name.startswith("state/renditions/") and name.endswith(".mp3")])

    with capture_logs() as logs:
        async with rest.http.stream(
            "POST", f"{rest.base}/{box.id}/messages/raw", json={"data": {"messages": ids}}
        ) as response:
            await anext(response.aiter_raw())
        async with asyncio.timeout(30):
            while not any(line["event"] == "request" for line in logs):
                await asyncio.sleep(0.01)
    made = renditions()
    assert 1 <= made < len(ids)
    await rest.request("GET", f"/{box.id}/messages/{ids[-1]}/raw")  # Would wait behind what is still queued.
    assert renditions() == made + 1


async def test_files_of_a_download_that_never_begins_are_closed(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    rendition = await app.container.api_services.audio.renditions.render(message, by_name("wav"))
    open_before = len(os.listdir("/proc/self/fd"))
    downloads = [OpenAudioFiles(rendition).chunks(0, 100), OpenAudioFiles(rendition).read(0, 100)]
    assert len(os.listdir("/proc/self/fd")) == open_before + 2
    del downloads
    assert len(os.listdir("/proc/self/fd")) == open_before


async def test_zip_makes_evicted_rendition_again(
    rest: RestClient, app: AppFixture, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache may lose a rendition between the time when it was found and the time when it is sent."""
    message = await app.create_message(box)
    renditions = app.container.api_services.audio.renditions
    render, times = renditions.render, 0

    async def render_and_lose(*arguments: Any) -> Any:
        nonlocal times
        times += 1
        rendition = await render(*arguments)
        if times == 1:
            renditions.clear()
        return rendition

    monkeypatch.setattr(renditions, "render", render_and_lose)
    response = await rest.request("POST", f"/{box.id}/messages/raw", {"messages": [message.id]})
    [name] = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
    assert (name[-4:], times) == (".mp3", 2)


async def test_zip_memory_use_is_constant(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    import tracemalloc

    await rest.request_ok("PATCH", f"/{box.id}", {"media_extension": "wav"})
    message = await app.create_message(box, s=60)
    ids = [message.id, *[copy.id for copy in await app.container.delivery.copy(message, [box] * 40)]]
    tracemalloc.start()
    size = 0
    async with rest.http.stream(
        "POST", f"{rest.base}/{box.id}/messages/raw", json={"data": {"messages": ids}}
    ) as response:
        async for chunk in response.aiter_bytes():
            size += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 41 * 60 * 16_000
    assert peak < 8_000_000, f"{peak} bytes for {size}"


async def test_message_uploaded_by_rest_is_heard_and_deleted_by_phone(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    message = await rest.upload_message(box.id, tone(2000))
    phone = await app.run_call([Press("7", during="(message")], endpoint="alice", number="1000")
    assert f"(message {message['media_id']})" in phone.texts
    assert (await rest.request_ok("GET", f"/{box.id}/messages/{message['media_id']}"))["data"]["folder"] == "deleted"


async def test_purged_message_loses_its_original_upload(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path
) -> None:
    message = await rest.upload_message(box.id, encode_audio(tmp_path, ".mp3"))
    waiting = await rest.upload_message(box.id)
    await rest.request_ok(
        "PUT", f"/{box.id}/greetings/unavailable/raw", content=tone(), headers={"Content-Type": "audio/wav"}
    )
    audio = {name for name in data_files(app) if message["media_id"] in name}
    assert {Path(name).suffix for name in audio} == {".wav", ".upload"}
    await rest.request_ok("DELETE", f"/{box.id}/messages")
    await rest.request_ok("DELETE", f"/{box.id}/greetings/unavailable")
    for days in (80, 10, 10):
        app.clock.advance(s=days * 86_400)
        while await app.container.retention_worker.run_once():
            pass
    assert not any(name.startswith(app.account.id) for name in data_files(app))
    rows = await app.container.database.read(lambda c: c.execute("SELECT count(*) FROM messages").fetchone()[0])
    assert (rows, waiting["length"]) == (0, 1)


async def test_message_awaiting_audio_is_not_reported_as_inconsistent(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    await rest.upload_message(box.id)
    with capture_logs() as logged:
        app.clock.advance(s=2 * 86_400)
        while await app.container.retention_worker.run_once():
            pass
    assert [line for line in logged if line["event"] == "retention.audio_missing"] == []


@pytest.mark.parametrize("document", [b'{"caller_id_name": "x"}', b"{}", b'{"data": null}'])
async def test_multipart_document_without_data_is_rejected(
    rest: RestClient, app: AppFixture, box: Mailbox, document: bytes
) -> None:
    body = multipart(multipart_part(document, "application/json"), multipart_part(tone(), "audio/wav"))
    envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", content=body, headers=MIXED)
    assert "data" in envelope["data"]
    assert await app.messages(box) == []


async def test_text_field_of_form_is_rejected_by_name(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    field = b'Content-Disposition: form-data; name="caller_id_name"\r\n\r\nAlice'
    for body in (multipart(field, multipart_part(tone(), "audio/wav")), multipart(field)):
        envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", content=body, headers=MIXED)
        assert "'caller_id_name' is text" in envelope["data"]["message"]
    assert await app.messages(box) == []
