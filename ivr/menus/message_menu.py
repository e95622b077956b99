"""The messages of one folder, one after another, and what each key does meanwhile (kazoo-behaviour §2.4; design)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum, auto

import structlog

from ivr.errors import IvrError, NotFound, PastRetention
from ivr.mailbox.message import Folder, Message
from ivr.mailbox.store import Because
from ivr.mailbox.walk import Walk
from ivr.menus import apology
from ivr.menus.call_back import CallBack
from ivr.menus.forward import Forward
from ivr.menus.listening import Listening
from ivr.menus.menu import Next, OwnerMenu, Place
from ivr.menus.visit import Session
from ivr.prompts.voice import Meaning

ROUNDS = 4
"""Silent rounds after which the caller is taken to be gone."""
INVALID_KEYS = 3
"""Keys without a meaning, one after another, that end the call (kazoo-behaviour L15)."""
PAUSE_MS = 60_000

SPOKEN = ("keep", "replay", "forward", "delete", "callback", "return_main_menu")
"""What the menu offers aloud, in the order of its keys; every other key works unspoken."""
SPOKEN_ORDER = "123456789*#0"

log = structlog.get_logger()


class Going(Enum):
    """How it goes on after a key."""

    HERE = auto()
    """With this message, where it stands."""
    ON = auto()
    """With the message that the walk is at now; what becomes of this one is settled."""


class MessageMenu(OwnerMenu):
    """`home` is the main menu, to which it returns.

    `at_once`: the owner has not asked for these messages, so keys pressed before the first one's audio has begun are
    meant for the main menu.
    """

    def __init__(self, session: Session, folder: Folder, *, home: Place, at_once: bool = False) -> None:
        super().__init__(session)
        self._folder = folder
        self._home = home
        self._at_once = at_once
        self._walk: Walk
        self._listening: Listening
        self._does: dict[str, Callable[[], Awaitable[Going | Next]]] = {
            "keep": self._keep,
            "replay": self._replay,
            "forward": self._forward,
            "prev": self._previous,
            "rewind": self._rewind,
            "next": self._next,
            "delete": self._delete_or_restore,
            "fastforward": self._fast_forward,
            "callback": self._call_back,
            "return_main_menu": self._return_to_main_menu,
            "pause": self._pause,
            "envelope": self._envelope,
        }
        if not self.mailbox.settings.is_voicemail_ff_rw_enabled:
            self._does |= {"rewind": self._envelope}
            del self._does["fastforward"]

    async def run(self) -> Next:
        now = self.mailroom.clock.now()
        self._walk = await self.call.work(Walk.begin(self.mailroom.messages, self.mailbox, self._folder, now))
        short = False
        while message := await self.call.work(self._walk.message()):
            going = await self._attend(message, short)
            if not isinstance(going, Going):
                return going
            short = True
        return self._home

    async def _attend(self, message: Message, short: bool) -> Going | Next:
        """Let one message be heard until something becomes of it."""
        self.call.journal.note("message", id=message.id, folder=message.folder)
        self._listening = Listening(self, message, self._walk.number, self._folder, self._choices(message, short))
        going: Going | Next = Going.HERE
        silent = invalid = 0
        try:
            while going is Going.HERE:
                key = await self._until_key()
                if key and self._at_once and not self._listening.audio_has_begun:
                    self.call.unread(key)
                    return self._home
                self._at_once = self._at_once and not self._listening.audio_has_begun
                action = self._does.get(self.keys.action("message", key) or "")
                if action:
                    silent = invalid = 0
                    going = await self._do(action)
                elif key:
                    invalid += 1
                    if invalid == INVALID_KEYS:
                        await self.say("entry/too-many-invalid")
                        await self.call.hang_up()
                    await self.refuse("entry/invalid")
                else:
                    silent += 1
                    if silent == ROUNDS:
                        going = await self.goodbye()
            return going
        finally:
            if self._listening.heard_to_the_end:
                self.session.heard.add(message.id)
            if going is not Going.ON:
                await self._leave_behind(message)

    async def _until_key(self) -> str | None:
        try:
            return await self._listening.until_key()
        except IvrError as error:
            await self._apologise(error)
            self._listening.to_menu()
            return None

    async def _do(self, action: Callable[[], Awaitable[Going | Next]]) -> Going | Next:
        try:
            return await action()
        except (NotFound, PastRetention) as error:
            await self._apologise(error)
            return Going.ON
        except IvrError as error:
            await self._apologise(error)
            self._listening.to_menu()
            return Going.HERE

    async def _apologise(self, error: IvrError) -> None:
        log.warning("menu.failed", error=str(error), kind=type(error).__name__)
        self.call.journal.note("failed", error=str(error))
        await self.refuse(apology.prompt_for(error))

    async def _leave_behind(self, message: Message) -> None:
        """Left without a decision: a new message that was heard to its end is saved, any other stays as it is."""
        if message.folder is not Folder.NEW or message.id not in self.session.heard:
            return
        try:
            await self.mailroom.messages.move_to(
                self.mailbox.id, message.id, Folder.SAVED, Because.HEARD, only_from=Folder.NEW
            )
            self.call.journal.note("folder", message=message.id, folder=Folder.SAVED)
        except IvrError as error:
            log.warning("message.not_saved", message=message.id, error=str(error))

    def _choices(self, message: Message, short: bool) -> list[Meaning]:
        keys = {action: self.keys.key("message", action) for action in SPOKEN}
        if not CallBack.is_offered(self.session, message):
            keys["callback"] = ""
        offered = sorted((SPOKEN_ORDER.index(key), action) for action, key in keys.items() if key)
        named = {"delete": "restore"} if message.folder is Folder.DELETED else {}
        return [
            self.rules.choice(named.get(action, action).replace("_", "-"), keys[action], short=short)
            for _, action in offered
        ]

    # -- what the keys do ------------------------------------------------------------------------------------------

    async def _keep(self) -> Going:
        await self._become(Folder.SAVED)
        await self.say("done/saved")
        return Going.ON

    async def _delete_or_restore(self) -> Going:
        if self._listening.message.folder is Folder.DELETED:
            await self.call.work(
                self.mailroom.messages.restore(self.mailbox.id, self._listening.message.id, Because.KEY)
            )
            self.call.journal.note("restored", message=self._listening.message.id)
            self._walk.ahead()
            await self.say("done/restored")
        else:
            await self._become(Folder.DELETED)
            await self.say("done/deleted")
        return Going.ON

    async def _replay(self) -> Going:
        self._listening.replay()
        return Going.HERE

    async def _previous(self) -> Going:
        self._walk.back()
        return Going.ON

    async def _next(self) -> Going:
        if not await self.call.work(self._walk.step()):
            await self.say("message/no-more")
        return Going.ON

    async def _rewind(self) -> Going:
        self._listening.rewind(self.mailbox.settings.seek_duration_ms)
        return Going.HERE

    async def _fast_forward(self) -> Going:
        self._listening.fast_forward(self.mailbox.settings.seek_duration_ms)
        return Going.HERE

    async def _pause(self) -> Going:
        if self._listening.is_playing:
            key = await self.call.wait(PAUSE_MS)
            if key and self.keys.action("message", key) != "pause":
                self.call.unread(key)
        return Going.HERE

    async def _envelope(self) -> Going:
        await self.say(self._listening.full_envelope())
        return Going.HERE

    async def _return_to_main_menu(self) -> Next:
        return self._home

    async def _forward(self) -> Going | Next:
        forwarded = await Forward(self.session, self._listening.message).run()
        if forwarded and self.mailbox.settings.after_forward_action == "save":
            return await self._keep()
        self._listening.to_menu()
        return Going.HERE

    async def _call_back(self) -> Going | Next:
        branched = await CallBack(self.session, self._listening.message).run()
        if branched:
            return branched
        self._listening.replay()
        return Going.HERE

    async def _become(self, folder: Folder) -> None:
        message = self._listening.message
        await self.call.work(self.mailroom.messages.move_to(self.mailbox.id, message.id, folder, Because.KEY))
        self.call.journal.note("folder", message=message.id, folder=folder)
        self._walk.ahead()
