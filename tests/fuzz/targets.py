"""What is fuzzed: each parser with valid examples, and the longest input that reaches it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from panoramisk.message import Message as AmiMessage
from pydantic import ValidationError
from starlette.requests import Request
from uvicorn import Config
from uvicorn.server import ServerState

from ivr.api import audio, audio_headers
from ivr.api.boxes import box_settings
from ivr.api.http_protocol import ConnectionLimits, LimitedHttpProtocol
from ivr.api.message_marks import parse_marks
from ivr.api.multipart import MultipartReader
from ivr.api.query import parse_list_query
from ivr.api.request_body import parse_body, parse_form_fields
from ivr.audio import asterisk_recording, formats, wav
from ivr.backup.manifest import read_manifest
from ivr.call import arguments
from ivr.call.ari import protocol as ari
from ivr.call.fastagi import protocol as agi
from ivr.call.incoming import endpoint_of, present_caller
from ivr.directory.models import Account, User
from ivr.errors import IvrError
from ivr.imports import message_fields, spool
from ivr.imports.voicemail_conf import read_voicemail_conf
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.caller_id import NumberPlan, dial_forms, identify, sip_address
from ivr.mailbox.text_values import parse_assignments
from ivr.menus.hunt import matches
from ivr.notifications.mail.composition import compose
from ivr.notifications.mail.rendering import MailContent
from ivr.provisioning.people_csv import parse_csv
from ivr.provisioning.people_yaml import parse_yaml
from ivr.recovery.fallback_recordings import parse_file_name
from ivr.storage.records import Caller, OutboxTask, TaskKind
from ivr.storage.sources.mysql_dump import read_tables
from ivr.validation import addresses, names, numbers, time_zones
from ivr.validation.fields import MAX_CHARACTERS
from tests.fuzz import examples
from tests.fuzz.inputs import Repetition

EXPECTED_ERRORS = (IvrError, ValidationError)
"""What a parser raises for bad input. Each edge reports it; pydantic's error is mapped where models are used."""
KILOBYTE = 1024
LINE_BYTES = 4096
UPLOAD_CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class FuzzTarget:
    """A parser. `examples`: valid inputs. `max_bytes`: longer ones are refused before they reach it.

    `repetitions`: inputs that grow, each of which has kept a parser of the kind busy for seconds, here or elsewhere.
    """

    run: Callable[[bytes], object]
    examples: Sequence[bytes]
    max_bytes: int
    repetitions: Sequence[Repetition] = ()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _agi_line(data: bytes) -> None:
    line = _text(data)
    for parse in (agi.is_usage_start, agi.is_usage_end, endpoint_of):
        parse(line)
    _ignoring(lambda: agi.parse_header(line))
    _ignoring(lambda: agi.format_command("SET VARIABLE", "X", line))
    _ = agi.parse_reply(line).key


def _dialplan_arguments(data: bytes) -> None:
    path, *words = _text(data).split(",")
    arguments.parse_options(path)
    arguments.parse(path, words)


def _ari_event(data: bytes) -> None:
    event = ari.parse_frame(data)
    if event is not None:
        ari.parse_response(event)
        channel = event.get("channel")
        ari.stasis_arguments(channel)
        ari.timestamp_ms(event)
        ari.get_text(event, "channel", "caller", "number")
        ari.get_text_list(event, "args")


def _ami_message(data: bytes) -> None:
    message = AmiMessage.from_line(_text(data).strip())
    if message is not None:
        _ = message.id, message.action_id


class _NullTransport(asyncio.Transport):
    """The transport of a connection whose client reads no response."""

    _is_closing = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: object) -> None:
        pass

    def close(self) -> None:
        self._is_closing = True

    abort = close

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _no_route(scope: object, receive: object, send: object) -> None:
    """The application behind the HTTP protocol: what it does with a request is fuzzed by other targets."""


HTTP_CONFIG = Config(_no_route, log_config=None, access_log=False, lifespan="off")
HTTP_CONFIG.load()


def _http(data: bytes) -> None:
    """One chunk, as a socket of the service brings it."""

    async def receive() -> None:
        loop = asyncio.get_running_loop()
        protocol = LimitedHttpProtocol(HTTP_CONFIG, ServerState(), {}, loop, limits=ConnectionLimits())
        protocol.connection_made(_NullTransport())
        protocol.data_received(data)
        protocol.connection_lost(None)

    asyncio.run(receive())


def _form(data: bytes) -> None:
    """A form as a body of the REST API, and as the page reads it."""
    _ignoring(lambda: parse_form_fields(data))
    parse_body(data, FORM_TYPE)


def _multipart(data: bytes) -> None:
    head, _, body = data.partition(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        reader = MultipartReader(head.decode("latin-1"), Path(folder) / "audio", json_limit=10_000)

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 500):
                yield body[start : start + 500]

        asyncio.run(reader.read(chunks()))


def _request(data: bytes, *, headers: Sequence[tuple[bytes, bytes]] = ()) -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": data, "headers": list(headers)})


def _query(data: bytes) -> None:
    asyncio.run(parse_list_query(_request(data)))


def _range(data: bytes) -> None:
    audio_headers._parse_range(_request(b"", headers=[(b"range", data)]), 100_000, '"tag"')


def _accept(data: bytes) -> None:
    audio_headers.content_disposition(_text(data))
    audio_headers.best_format(data.decode("latin-1"), formats.OUTPUT_FORMATS)


def _audio_file(data: bytes) -> None:
    formats.sniff(data[: formats.SNIFF_BYTES])
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / "in.wav", Path(folder) / "out.wav"
        path.write_bytes(data)
        _ignoring(lambda: wav.read_samples(path))
        _ignoring(lambda: wav.length_ms(path))
        asterisk_recording.length_ms(path)
        with target.open("w+b") as out:
            asterisk_recording.copy_repaired(path, out.fileno())
        wav.read_samples(target)


def _settings(data: bytes) -> None:
    """As the routes for mailboxes and messages read a body."""
    body = parse_body(data, "application/json")
    _ignoring(lambda: box_settings(body))
    _ignoring(lambda: parse_marks(body))
    document = body.data_or_empty
    _ignoring(lambda: audio.parse_metadata(document))
    BoxSettings.model_validate(document)


def _directory(data: bytes) -> None:
    """Accounts and users, which commands and people files set."""
    document = parse_body(data, "application/json").data_or_empty
    for model in (Account, User):
        _ignoring(partial(model.model_validate, document))


def _assignments(data: bytes) -> None:
    parse_assignments(_text(data).split("\n"))


def _spool_text(data: bytes) -> None:
    """The .txt file of a message in a spool of app_voicemail; callers choose their names."""
    fields = spool._parse_fields(data)
    time, _ = message_fields.message_time(fields, 0)
    message = spool.SpoolMessage(
        folder="INBOX", fields=fields, time=time, modified_at=0, stem=Path("/x"), text=data, audio=()
    )
    _ = message.caller, message.origin, message.is_urgent, message.labels, message.call_id, message.expected_s


def _source_file(read: Callable[[Path], object], data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file, suppress(OSError):
        Path(file.name).write_bytes(data)
        read(Path(file.name))


def _people(parse: Callable[..., object], data: bytes) -> None:
    parse(_text(data), allow_unknown_keys=True)


def _mail_address(data: bytes) -> None:
    text = _text(data)
    addresses.unique_addresses(addresses.split_addresses(text))
    for rule in (addresses.sender_address, addresses.web_url, addresses.service_address, addresses.ascii_domain):
        _ignoring(partial(rule, text))
    address = addresses.mail_address(text)
    task = OutboxTask(1, "a", "b", None, TaskKind.MAIL, address, {}, 0, 0, 1, None, None, uid="u")
    compose(task, Account(name="demo", realm="demo.example"), "ivr@demo.example", MailContent("s", "t", "h"), None)


def _mail_texts(data: bytes) -> None:
    """Compose a mail with the name of a caller in its subject."""
    text = " ".join(_text(data).split())[:200]
    task = OutboxTask(1, "a", "b", None, TaskKind.MAIL, "a@demo.example", {}, 0, 0, 1, None, None, uid="u")
    compose(task, Account(name="demo", realm="demo.example"), "ivr@demo.example", MailContent(text, text, text), None)


def _caller_id(data: bytes) -> None:
    number, _, name = _text(data).partition("\n")
    caller = Caller(number, name)
    identity = identify(caller)
    sip_address(caller, "demo.example")
    dial_forms(identity.number, NumberPlan("49"), ["received", "plus", "international", "national"])
    present_caller(number, name, "allowed")


def _names(data: bytes) -> None:
    text = _text(data)
    matches(text[:128], "123")
    parse_file_name(Path("/x") / (text.replace("/", "").replace("\0", "")[:255] or "x"))
    names.to_realm(text, "x")
    for rule in (
        *(names.language_code, names.realm, names.endpoint_name, names.api_username, names.media_id),
        *(names.pattern, numbers.box_number, numbers.box_alias, numbers.extension, numbers.dialplan_context),
        *(numbers.telephone_number, numbers.dial_prefix, numbers.country_code, numbers.mwi_target),
        time_zones.time_zone,
    ):
        _ignoring(partial(rule, text))


def _ignoring(parse: Callable[[], object]) -> None:
    with suppress(*EXPECTED_ERRORS):
        parse()


JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
JSON_BYTES, HTTP_CHUNK_BYTES = 1_000_000, 262_144
TARGETS: dict[str, FuzzTarget] = {
    "AGI lines": FuzzTarget(_agi_line, examples.AGI_LINES, LINE_BYTES),
    "dialplan arguments": FuzzTarget(_dialplan_arguments, examples.ARGUMENTS, LINE_BYTES, examples.LONG_ARGUMENTS),
    "ARI events": FuzzTarget(_ari_event, examples.ARI_EVENTS, UPLOAD_CHUNK_BYTES, examples.LONG_JSON),
    "AMI messages": FuzzTarget(_ami_message, examples.AMI_MESSAGES, 8 * KILOBYTE, examples.LONG_AMI_MESSAGES),
    "HTTP": FuzzTarget(_http, examples.HTTP, HTTP_CHUNK_BYTES, examples.LONG_HTTP),
    "JSON bodies": FuzzTarget(
        lambda data: parse_body(data, JSON_TYPE), examples.SETTINGS, JSON_BYTES, examples.LONG_JSON
    ),
    "form bodies": FuzzTarget(_form, examples.FORMS, JSON_BYTES, examples.LONG_FORMS),
    "multipart": FuzzTarget(_multipart, examples.MULTIPART, UPLOAD_CHUNK_BYTES, examples.LONG_MULTIPART),
    "ranges": FuzzTarget(_range, examples.RANGES, 64 * KILOBYTE, examples.LONG_RANGES),
    "Accept and file names": FuzzTarget(_accept, examples.ACCEPT, 64 * KILOBYTE, examples.LONG_ACCEPT),
    "query": FuzzTarget(_query, examples.QUERIES, 64 * KILOBYTE, examples.LONG_QUERIES),
    "WAV": FuzzTarget(_audio_file, examples.WAV_FILES, UPLOAD_CHUNK_BYTES, examples.LONG_WAV_FILES),
    "settings": FuzzTarget(_settings, examples.SETTINGS, JSON_BYTES, (*examples.LONG_SETTINGS, *examples.LONG_JSON)),
    "accounts and users": FuzzTarget(
        _directory, examples.SETTINGS, JSON_BYTES, (*examples.LONG_SETTINGS, *examples.LONG_JSON)
    ),
    "KEY=VALUE": FuzzTarget(_assignments, examples.ASSIGNMENTS, LINE_BYTES, examples.LONG_ASSIGNMENTS),
    "mail addresses": FuzzTarget(_mail_address, examples.MAIL_ADDRESSES, LINE_BYTES, examples.LONG_MAIL_ADDRESSES),
    "mail texts": FuzzTarget(_mail_texts, examples.MAIL_TEXTS, KILOBYTE),
    "caller ids": FuzzTarget(_caller_id, examples.CALLER_IDS, LINE_BYTES, examples.LONG_CALLER_IDS),
    "spool texts": FuzzTarget(_spool_text, examples.SPOOL_TEXTS, 64 * KILOBYTE, examples.LONG_SPOOL_TEXTS),
    "voicemail.conf": FuzzTarget(
        partial(_source_file, lambda path: read_voicemail_conf(path, path.parent / "none")),
        *(examples.CONFS, 16 * KILOBYTE, examples.LONG_CONFS),
    ),
    "SQL dumps": FuzzTarget(
        partial(_source_file, lambda path: read_tables(path, ("users",))),
        *(examples.DUMPS, 32 * KILOBYTE, examples.LONG_DUMPS),
    ),
    "people CSV": FuzzTarget(partial(_people, parse_csv), examples.PEOPLE_CSV, 8 * KILOBYTE, examples.LONG_PEOPLE_CSV),
    "people YAML": FuzzTarget(
        partial(_people, parse_yaml), examples.PEOPLE_YAML, 2 * KILOBYTE, examples.LONG_PEOPLE_YAML
    ),
    "names and numbers": FuzzTarget(_names, examples.NAMES, MAX_CHARACTERS, examples.LONG_NAMES),
    "backup manifest": FuzzTarget(read_manifest, examples.MANIFESTS, 10_000, examples.LONG_JSON),
}
