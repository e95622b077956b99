"""All sentences of the page in English, and their translator. The other languages are catalogues of gettext."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal

from ivr import translations
from ivr.web.admin_texts import ADMIN_ENGLISH
from ivr.web.settings_texts import SETTINGS_ENGLISH

MAX_HEADER_LENGTH = 200

ENGLISH: Mapping[str, str] = {
    "title": "Voicemail",
    "skip_to_content": "Skip to the messages",
    "sign_in": "Sign in",
    "sign_in_with_pin": "With mailbox number and PIN",
    "sign_in_with_password": "With user name and password",
    "box_number": "Mailbox number",
    "pin": "PIN",
    "username": "User name",
    "password": "Password",
    "account": "Account (if there are several)",
    "sign_out": "Sign out",
    "sign_out_everywhere": "Sign out everywhere",
    "signed_out": "You are signed out.",
    "signed_out_everywhere": "You are signed out in all browsers.",
    "session_ended": "Your session has ended: sign in again.",
    "wrong_pin": "Mailbox number or PIN is wrong, or too many wrong tries were made: try again later.",
    "wrong_password": "User name or password is wrong.",
    "too_many_tries": "Too many wrong tries came from your network: wait an hour.",
    "set_up_by_phone": "Set up this mailbox by phone first: call your voicemail.",
    "new_pin_by_phone": "This mailbox needs a new PIN first: call your voicemail, it asks for one.",
    "mailboxes": "Mailboxes",
    "no_mailboxes": "You have no mailbox: ask your administrator.",
    "mailbox_is_disabled": "Mailbox {number} is disabled: ask your administrator.",
    "mailbox": "Mailbox",
    "new": "New",
    "saved": "Saved",
    "deleted": "Deleted",
    "folders": "Folders",
    "messages": "Messages",
    "no_messages": "No messages here.",
    "search": "Search names, numbers and transcripts",
    "search_button": "Search",
    "nothing_found": "Nothing is found: search for other words, or for the beginning of a word.",
    "back_to_search": "Back to what was found",
    "more_messages": "Older messages",
    "unknown_caller": "Unknown caller",
    "urgent": "Urgent",
    "labels": "Labels",
    "select_all": "Select all on this page",
    "select_whole": "Select the older ones that are not shown yet, too",
    "select_message": "Select the message of {caller}, {when}",
    "save": "Save",
    "delete": "Delete",
    "restore": "Restore",
    "mark_new": "Mark as new",
    "mark_urgent": "Mark urgent",
    "mark_not_urgent": "Not urgent",
    "download": "Download",
    "undo": "Undo",
    "done_save": "Saved: {count}.",
    "done_delete": "Deleted: {count}.",
    "done_restore": "Restored: {count}.",
    "done_new": "Marked as new: {count}.",
    "done_urgent": "Marked urgent: {count}.",
    "done_not_urgent": "No longer urgent: {count}.",
    "done_undo": "Undone.",
    "done_forward": "Forwarded to mailboxes: {count}.",
    "left_out": "These mailboxes of the list cannot take messages: {numbers}.",
    "not_found_some": "Not found any more: {count}.",
    "nothing_selected": "No message is selected.",
    "message": "Message",
    "back_to_list": "Back to the list",
    "from": "From",
    "received": "Received",
    "length": "Length",
    "forwarded_by": "Forwarded by",
    "player": "Player",
    "play": "Play",
    "pause": "Pause",
    "back_5": "Back 5 seconds",
    "forward_5": "Forward 5 seconds",
    "speed": "Speed",
    "position": "Position",
    "intro": "Note of the sender, then the message",
    "no_audio": "The audio of this message is missing.",
    "playing_failed": "The audio could not be played: try again.",
    "transcript": "Transcript",
    "forward": "Forward",
    "forward_to": "Mailbox numbers, separated by commas",
    "forward_note": "Note in front of the message (optional)",
    "record_note": "Record a note",
    "stop_recording": "Stop recording",
    "note_recorded": "Note recorded: {seconds} s.",
    "note_file": "or a sound file",
    "microphone_failed": "The microphone cannot be used: allow it, or choose a file.",
    "language_later": "The rest of the page changes its language as soon as all that you have typed is sent.",
    "waiting": "One moment…",
    "unreachable": "The service cannot be reached just now: try again.",
    "send": "Send",
    "not_sent": "The message was not forwarded: {reason}",
    "unknown_mailbox": "There is no mailbox {number}.",
    "own_mailbox": "The message is in mailbox {number} already.",
    "audio_unreadable": "This is not a sound file that can be read, or it is too large or too long.",
    "mailbox_is_full": "The mailbox is full.",
    "too_much_work": "Many recordings are converted just now: try again in a minute.",
    "in_use": "This number or name is in use: choose another one.",
    "value_refused": "{name}: this value is not accepted.",
    "mailbox_full": "Mailbox {number} is full.",
    "no_recipients": "Enter at least one mailbox number.",
    "too_many_recipients": "Enter at most {count} mailbox numbers.",
    "call_back": "Call back",
    "call_back_with": "Phone that rings first",
    "call_back_rings": "Your phone rings: pick it up, and it calls {number}.",
    "call_back_not-available": "This caller cannot be called back.",
    "call_back_not-allowed": "Calling back is not allowed for this mailbox.",
    "call_back_no-such-number": "The number {number} cannot be called from your phone.",
    "call_back_no-phone": "The service knows no phone of yours: ask your administrator.",
    "call_back_rings-already": "Your phone is ringing already.",
    "call_back_no-answer": "Your phone cannot be reached just now.",
    "call_back_not-possible": "Calls cannot be made just now: try again later.",
    "notices_on": "Notify me of new messages in this browser",
    "notices_off": "Do not notify me in this browser any more",
    "notices_refused": "This browser does not allow it: allow notifications of this page in its settings.",
    "new_messages_arrived": "There are new messages.",
    "message_gone": "This message does not exist any more.",
    "error": "That did not work",
    "error_404": "This page or message does not exist, or not any more.",
    "error_403": "This form is not from this page or is too old: go back, load the page again, and repeat.",
    "error_400": "The request is not understood: go back and try again.",
    "error_413": "The upload is too large.",
    "error_429": "Too many wrong tries came from your network: wait an hour.",
    "error_503": "Voicemail cannot be reached just now. Nothing was changed: try again later.",
    "error_500": "Something went wrong. Nothing was changed: try again later.",
    "link_expired": "This link is not valid, or not any more. Sign in to see your messages.",
    "all_messages": "Sign in to see all messages",
    "start": "To the start",
    "phone_play": "Play",
    "phone_details": "Details",
    "phone_back": "Back",
    "phone_exit": "Exit",
    "phone_more_boxes": "More mailboxes",
    "phone_wrong_secret": "This phone is not signed in: its name and secret, or the mailbox number and PIN, are wrong,"
    " or too many wrong tries were made: try again later.",
    "phone_needs_tls": "This phone must use https.",
}

TEXTS: Mapping[str, str] = {**ENGLISH, **SETTINGS_ENGLISH, **ADMIN_ENGLISH}
BRAZILIAN = "pt-BR"
"""The Portuguese of the catalogue, as browsers and screen readers name it."""


@cache
def _catalogue(language: str) -> translations.Translate:
    return translations.load(language)


def negotiate_language(header: str, fallback: str) -> str:
    """Return the language of the page that a browser prefers (`Accept-Language`); `fallback`: it knows none of them."""
    weighed = []
    for part in header[:MAX_HEADER_LENGTH].split(","):
        code, _, parameter = part.partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameter) if parameter else None
        weighed.append((float(weight[1]) if weight else 0.0 if parameter else 1.0, code.strip()))
    wanted = [code for weight, code in sorted(weighed, key=lambda each: -each[0]) if weight > 0]
    return next((code for code in wanted if translations.find_language(code)), fallback)


class Translator:
    """The sentences of one language, and the locale in which it writes dates and numbers.

    `language`: as `en-GB`; one that the page does not have is English.
    """

    def __init__(self, language: str) -> None:
        self.language = translations.find_language(language) or translations.ENGLISH
        self.locale = _find_locale(language, self.language)
        self.tag = BRAZILIAN if self.language == "pt" else str(self.locale).replace("_", "-")
        self.translate = _catalogue(self.language)

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence `key` with values in place of `{name}`. Raises KeyError for an unknown key."""
        shown = {name: self.number(value) if type(value) is int else value for name, value in values.items()}
        return self.translate(TEXTS[key]).format(**shown)

    def number(self, value: float) -> str:
        """Return a number as the language writes it: 10,000 or 10.000."""
        return format_decimal(value, locale=self.locale)


def _find_locale(language: str, base: str) -> Locale:
    """Return the locale of a language with its country, if that is known and the page has the language."""
    with suppress(ValueError, UnknownLocaleError):
        found = Locale.parse(language.replace("-", "_"))
        if found.language == base:
            return found
    return Locale.parse(base)
