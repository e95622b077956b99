"""Signing in, and what an owner hears first afterwards."""

from __future__ import annotations

import structlog

from ivr.call.base import DigitsResult
from ivr.errors import IvrError, NotFound, PastRetention
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message_reference import id_prefix
from ivr.mailbox.pin_strength import MAX_PIN_LENGTH, MIN_PIN_LENGTH
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.menus import dialplan_status
from ivr.menus.context import CallContext
from ivr.menus.dialplan_status import Status
from ivr.menus.greeting_recording import RECOVERED_PROMPTS, RecordGreeting, temporary_greeting_prompt
from ivr.menus.main_menu import MainMenu
from ivr.menus.menu import Menu, NextMenu, NextStep, OwnerMenu, prompt_for, prompt_for_message_error
from ivr.menus.message_menu import MessageMenu
from ivr.menus.settings_menu import PinChange, SettingsMenu
from ivr.menus.wizard import Wizard
from ivr.validation.numbers import MAX_BOX_NUMBER_LENGTH


class SignIn(Menu):
    """Signs a call in.

    `mailbox`: the mailbox that the call is for; None if there is none, or if its number is still to be asked for.
    `mailbox_specified`: whether the call has named a mailbox. `parent`: where `*` leads; None ends the call.
    """

    def __init__(
        self,
        call_context: CallContext,
        mailbox: Mailbox | None,
        *,
        mailbox_specified: bool,
        parent: NextMenu | None = None,
    ) -> None:
        super().__init__(call_context)
        self._mailbox = mailbox
        self._asks_number = not mailbox_specified
        self._needs_number = self._asks_number
        self._parent = parent

    async def run(self) -> NextStep:
        """Return the first menu of the owner, or the end of the call after too many tries.

        Mailbox numbers and PINs share the tries of one call. A mailbox that is unknown, locked or without a PIN sounds
        like a wrong PIN. A mailbox number that the caller entered is asked for again after a wrong PIN, and after `*`:
        it may be mistyped. Numbers and PINs that were set before the limits of the account were lowered stay valid.
        """
        await self.call.answer()
        await dialplan_status.report_owner_login(self.call)
        for _ in range(self._account_settings.max_login_attempts):
            if self._needs_number:
                entry = await self.ask_digits(
                    "login/enter-box",
                    max_digits=MAX_BOX_NUMBER_LENGTH,
                    secret=True,  # Owners type their PIN here by mistake.
                )
                if entry.is_cancelled:
                    return await self._leave()
                if not entry.digits:
                    await self.reject("entry/invalid")
                    continue
                await self._find_by_number(entry.digits)
            if self._mailbox and not self._mailbox.settings.enabled:
                return await self.say_goodbye("login/no-access", status=Status.NOACCESS)
            if self._mailbox and self._is_pin_exempt(self._mailbox):
                return self._open_session(self._mailbox, own_phone=True, has_pin=False)
            if self._mailbox and await self._is_closed_to_owner(self._mailbox):
                return await self.say_goodbye("login/no-access", status=Status.NOACCESS)
            entry = await self._ask_pin()
            if entry.is_cancelled:
                if not self._asks_number:
                    return await self._leave()
                self._needs_number = True
                continue
            if await self._verify_pin(entry.digits) and self._mailbox:
                own_phone = self.call_context.is_owner(self._mailbox)
                return self._open_session(self._mailbox, own_phone=own_phone, has_pin=True)
            await self.reject("login/wrong-pin" if entry.digits else "entry/invalid")
            self._needs_number = self._asks_number and bool(entry.digits)
        return await self.say_goodbye("login/too-many-tries", status=Status.NOACCESS)

    @property
    def _account_settings(self) -> VoicemailSettings:
        account = self._mailbox.account if self._mailbox else self.call_context.account
        return self.services.boxes.voicemail_settings_for(account)

    async def _leave(self) -> NextStep:
        return self._parent or await self.say_goodbye()

    async def _find_by_number(self, number: str) -> None:
        self._needs_number = False
        mailbox = await self.call.run_while_listening(
            self.services.boxes.find_by_number(self.call_context.account.id, number)
        )
        self._mailbox = mailbox if mailbox and mailbox.settings.enabled else None  # A disabled one sounds as unknown.

    def _is_pin_exempt(self, mailbox: Mailbox) -> bool:
        pin_required = mailbox.settings.require_pin or mailbox.voicemail_settings.force_require_pin
        return self.call_context.is_owner(mailbox) and not pin_required

    async def _is_closed_to_owner(self, mailbox: Mailbox) -> bool:
        """Return whether the owner's own phone needs a PIN that does not exist. No other caller learns of it."""
        is_owner = self.call_context.is_owner(mailbox)
        return is_owner and not await self.call.run_while_listening(self.services.pins.has_pin(mailbox))

    async def _ask_pin(self) -> DigitsResult:
        other_mailbox = ["login/another-box"] if self._asks_number else []
        return await self.ask_digits("login/enter-pin", *other_mailbox, max_digits=MAX_PIN_LENGTH, secret=True)

    async def _verify_pin(self, pin: str) -> bool:
        """Verify an entry. One that is too short for a PIN, such as silence, is wrong and not counted as a guess."""
        if len(pin) < MIN_PIN_LENGTH:
            return False
        attempt = self.call_context.pin_attempt(self._mailbox)
        return await self.call.run_while_listening(self.services.pins.verify(self._mailbox, pin, attempt))

    def _open_session(self, mailbox: Mailbox, *, own_phone: bool, has_pin: bool) -> NextStep:
        return AfterLogin(self.call_context.open_session(mailbox, own_phone=own_phone, has_pin=has_pin))


log = structlog.get_logger()


class AfterLogin(OwnerMenu):
    """The steps between sign-in and the first menu."""

    async def run(self) -> NextStep:
        settings = self.mailbox.settings
        if not settings.is_setup:
            return Wizard(self.session)
        if settings.pin_must_change and settings.pin_changeable and not await self._change_pin():
            return await self.say_goodbye("pin/not-changed", "done/goodbye")
        if reference := self.call.incoming.arguments.message:
            return await self._open_message(reference)
        await self._announce_undelivered_mail()
        await self._announce_temporary_greeting()
        if not settings.not_configurable:
            await self._offer_recovered_recordings()
            if settings.announcement_only:
                return SettingsMenu(self.session, make_parent=MainMenu)
        return MainMenu(self.session, just_signed_in=True)

    async def _change_pin(self) -> bool:
        await self.say("pin/must-change")
        return await PinChange(self.session).run()

    async def _open_message(self, reference: str) -> NextStep:
        """Return the menu of the dialled message, then the other messages of its folder; the main menu if it is gone.

        What is announced to an owner who signs in otherwise waits until the next time.
        """
        not_before = self.mailbox.voicemail_settings.retention_cutoff(self.services.clock.now())
        main_menu = MainMenu(self.session)
        try:
            if not (prefix := id_prefix(reference)):
                raise NotFound(f"no message has the reference {reference!r}")
            message = await self.call.run_while_listening(
                self.services.messages.find_by_id_prefix(self.mailbox.id, prefix, not_before)
            )
        except (NotFound, PastRetention) as error:
            await self.report_error(error, prompt_for_message_error(error))
            return main_menu
        return MessageMenu(self.session, message.folder, parent=main_menu, preferred=message)

    async def _announce_undelivered_mail(self) -> None:
        """Say once that mails could not be sent; again at the next sign-in if a key interrupted it."""
        mails = await self.call.run_while_listening(self.services.undelivered_mail.list_by_box(self.mailbox.id))
        if not any(not mail.payload.get("announced") for mail in mails):
            return
        played = await self.call.play([await self.render("login/mail-not-delivered")])
        if played.key:
            self.call.push_back(played.key)
            return
        await self.call.run_while_listening(self.services.undelivered_mail.record_announced(mails))

    async def _announce_temporary_greeting(self) -> None:
        if await self.call.run_while_listening(self.services.greetings.find_temporary_greeting(self.mailbox)):
            until = self.mailbox.settings.media.temporary_until
            expires_at = None if until is None else self.mailbox.local_time(until)
            now = self.mailbox.local_time(self.services.clock.now())
            await self.say(temporary_greeting_prompt(self.language, expires_at, now))

    async def _offer_recovered_recordings(self) -> None:
        """Offer the recordings of earlier calls that ended before the owner decided.

        The owner did not ask for this. A key typed ahead, or one that interrupts the announcement, is meant for the
        menu they know: the key goes there, and the offer is repeated at the next sign-in.
        """
        for take in await self.call.run_while_listening(self.services.takes.list_awaiting_owner(self.mailbox.id)):
            played = await self.call.play([await self.render(RECOVERED_PROMPTS[take.purpose])])
            if played.key:
                self.call.push_back(played.key)
                return
            try:
                await RecordGreeting(self.session, take.purpose).complete_recording(take)
            except IvrError as error:
                log.error("recording.offer_failed", take=take.id, error=str(error))
                await self.reject(prompt_for(error))
