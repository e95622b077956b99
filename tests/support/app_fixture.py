"""A small installation for tests: an account, two users with a phone each, boxes and messages as needed."""

from __future__ import annotations

import functools
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ivr.app import App
from ivr.audio.formats import Sound
from ivr.call.arguments import Arguments, parse
from ivr.call.incoming import IncomingCall
from ivr.directory.models import Account, Endpoint, User
from ivr.health.facts import HealthLimits
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.call_handler import CallHandler
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.languages import load_catalogues
from ivr.prompts.prompt_cache import PromptCache
from ivr.settings import Settings
from ivr.storage.data_folder import database_path
from ivr.storage.records import Caller, Folder, MediaKind, Message, StoredMedia
from ivr.storage.sqlite.database import SqliteDatabase
from ivr.storage.sqlite.schema import FILE_MODE
from tests.support.scripted_call import ScriptedCall, ScriptStep

NOON = 1_462_881_600
"""Tuesday, 10 May 2016, 12:00 UTC."""

SOUNDS = Path(__file__).parents[2] / "sounds"
MS_PER_WORD = 300


class FakeClock:
    """A clock that stands still until a test advances it."""

    def __init__(self, now: float = NOON) -> None:
        self._now = now
        self._jumped_s = 0.0

    def now(self) -> float:
        return self._now + self._jumped_s

    def monotonic(self) -> float:
        return self._now

    def advance(self, *, ms: float = 0, s: float = 0) -> None:
        self._now += ms / 1000 + s

    def jump(self, s: float) -> None:
        """Set the clock, as an administrator or NTP does: no time passes."""
        self._jumped_s += s


class TextPromptCache(PromptCache):
    """Prompts that are text only, 300 ms for each word, so that tests of menus need no recordings."""

    def __init__(self, catalogues: Mapping[str, Catalogue]) -> None:
        self._catalogues = catalogues

    def find_cached(self, language: str, clips: tuple[str, ...]) -> Sound | None:
        return self.render(language, clips)

    def render(self, language: str, clips: tuple[str, ...]) -> Sound:
        text = " ".join(self._catalogues[language][clip].text for clip in clips)
        return Sound(Path("/nowhere"), MS_PER_WORD * len(text.split()), text, is_prompt=True)


@functools.cache
def _catalogues() -> Mapping[str, Catalogue]:
    """The prompts. They do not change, and reading them takes longer than most tests."""
    return load_catalogues(SOUNDS)


@functools.cache
def _new_database() -> bytes:
    """The file of a database without rows, as the migrations leave it. They take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ivr.db"
        SqliteDatabase(path, sync=False).close()
        return path.read_bytes()


def database_url(_: Path) -> str:
    """Return the `database.url` of an installation by its folder; tests on PostgreSQL replace this (conftest.py)."""
    return ""


def audio_settings(_: Path) -> dict[str, Any]:
    """Return `[audio]` of an installation by its folder; tests on an object store replace this (conftest.py)."""
    return {}


class AppFixture:
    """An installation in `folder`. `container` is the app, and `clock` is its time."""

    def __init__(
        self, folder: Path, *, random_bytes: Callable[[int], bytes] = secrets.token_bytes, **settings: Any
    ) -> None:
        self.clock = FakeClock()
        data = {"folder": folder, "fsync": False, "busy_timeout_ms": 200, **settings.pop("data", {})}
        pins = {"bcrypt_cost": 4, **settings.pop("pins", {})}
        database = {"url": database_url(folder), "connections": 8, **settings.pop("database", {})}
        audio = {**audio_settings(folder), **settings.pop("audio", {})}
        self.settings = Settings(data=data, pins=pins, database=database, audio=audio, **settings)
        self.container = App(self.settings, clock=self.clock, random_bytes=random_bytes)
        _ = self.container.recordings  # Creates the folder.
        database_file = database_path(folder)
        if not self.settings.database.url and not database_file.exists():
            database_file.touch(FILE_MODE)
            database_file.write_bytes(_new_database())
        self.container.open()
        self.container.health_limits = HealthLimits(earliest_time=0, critical_space_bytes=0, full_bytes=0)
        self.prompt_cache: PromptCache = TextPromptCache(_catalogues())
        self.account: Account
        self.alice: User
        self.bob: User

    async def open(self) -> AppFixture:
        """Create the account `demo` with the users alice and bob, whose phones are PJSIP/alice and PJSIP/bob."""
        self.account = await self.container.directory.create_account(Account(name="demo", realm="demo.example"))
        self.alice = await self.create_user("alice")
        self.bob = await self.create_user("bob")
        return self

    async def create_user(self, name: str, **fields: Any) -> User:
        """Create a user with a phone of the same name."""
        user = await self.container.directory.create_user(User(name=name, account_id=self.account.id, **fields))
        await self.container.directory.add_endpoint(
            Endpoint(system="asterisk", name=name, account_id=self.account.id, user_id=user.id)
        )
        return user

    async def store_unchecked(self, box: Mailbox, **settings: Any) -> None:
        """Store settings of a mailbox as an earlier version did, which checked less."""
        sql = "UPDATE boxes SET settings = json_patch(settings, ?) WHERE id = ?"
        await self.container.database.write(lambda c: c.execute(sql, (json.dumps(settings), box.id)).rowcount)

    async def create_box(
        self, number: str = "1000", owner: User | None = None, pin: str | None = "1379", **settings: Any
    ) -> Mailbox:
        """Create a box whose first use is done."""
        document = {"name": f"Box {number}", "mailbox": number, "is_setup": True, "pin": pin, **settings}
        if owner:
            document["owner_id"] = owner.id
        return await self.container.boxes.create(self.account, document)

    async def create_message(
        self,
        mailbox: Mailbox,
        *,
        s: float = 5,
        folder: str = "new",
        age_s: float = 3600,
        caller: str = "2001",
        urgent: bool = False,
    ) -> Message:
        """Create a message of `s` seconds, left `age_s` seconds ago."""
        pcm = b"\x01\x02" * int(s * 8000)
        time = int(self.clock.now() - age_s)
        return await self.container.delivery.import_recording(
            mailbox, pcm, Caller(caller, ""), time, Folder(folder), urgent=urgent
        )

    async def create_recording(self, mailbox: Mailbox, kind: MediaKind, *, s: float = 2) -> str:
        """Create a greeting or name of `s` seconds that is not yet in use. Return its id."""
        media_id = secrets.token_hex(16)
        pcm = b"\x01\x02" * int(s * 8000)
        size = self.container.recordings.write(pcm, self.container.recordings.media_path(mailbox.account_id, media_id))
        now = int(self.clock.now())
        media = StoredMedia(media_id, mailbox.account_id, mailbox.id, kind, int(s * 1000), size, now)
        await self.container.media.add(media)
        return media_id

    async def activate_recordings(self, mailbox: Mailbox, *kinds: MediaKind, **media: Any) -> Mailbox:
        """Create recordings of these kinds, and set them in the box."""
        ids = {kind: await self.create_recording(mailbox, kind) for kind in kinds}
        return await self.container.boxes.patch(mailbox, {"media": {**ids, **media}})

    async def folder_of(self, message: Message) -> str:
        return (await self.container.messages.get(message.box_id, message.id, 0)).folder

    async def messages(self, mailbox: Mailbox) -> list[Message]:
        return await self.container.messages.list_page(mailbox.id, None, 0, None, 1000)

    def new_call(
        self,
        script: Iterable[ScriptStep] = (),
        *,
        endpoint: str | None = None,
        path: str = "check",
        caller: str = "5550100",
        channel_language: str = "en",
        hang_up_at: int | None = None,
        is_diverted: bool = False,
        is_proven: bool = True,
        variables: dict[str, str] | None = None,
        extensions: Iterable[tuple[str, str]] = (),
        **arguments: str,
    ) -> ScriptedCall:
        """Return a call that has not begun, from `endpoint` (proven) or from outside; the dialplan has `extensions`."""
        parsed: Arguments
        parsed, _ = parse(path, [f"{name}={value}" for name, value in {"account": "demo", **arguments}.items()])
        incoming = IncomingCall(
            channel=f"PJSIP/{endpoint or 'trunk'}-00000001",
            uniqueid="1.1",
            arguments=parsed,
            caller_number=caller,
            language=channel_language,
            endpoint=endpoint,
            forwarded=is_diverted,
            is_proven=is_proven,
        )
        phone = ScriptedCall(
            script, incoming, self.clock.monotonic, lambda ms: self.clock.advance(ms=ms), hang_up_at, variables
        )
        phone.extensions = set(extensions)
        return phone

    async def run_call(self, script: Iterable[ScriptStep] = (), **options: Any) -> ScriptedCall:
        """Run a call from beginning to end."""
        phone = self.new_call(script, **options)
        await self.handle_call(phone)
        return phone

    async def handle_call(self, phone: ScriptedCall) -> None:
        await CallHandler(self.container.voicemail_services, self.prompt_cache, self.container.call_store).handle(phone)

    def close(self) -> None:
        self.container.close()
        shutil.rmtree(self.settings.data.folder, ignore_errors=True)
