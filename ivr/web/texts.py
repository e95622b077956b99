"""All sentences of the page, by language. A further language is one more table with the same keys."""

from __future__ import annotations

from collections.abc import Mapping

from ivr.web.admin_texts import ADMIN_ENGLISH
from ivr.web.settings_texts import SETTINGS_ENGLISH

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
    "done_forward": "Forwarded to {count} mailboxes.",
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
    "send": "Send",
    "not_sent": "The message was not forwarded: {reason}",
    "unknown_mailbox": "There is no mailbox {number}.",
    "own_mailbox": "The message is in mailbox {number} already.",
    "mailbox_full": "Mailbox {number} is full.",
    "no_recipients": "Enter at least one mailbox number.",
    "too_many_recipients": "Enter at most {count} mailbox numbers.",
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
    "phone_wrong_secret": "This phone is not signed in: its name and secret, or the mailbox number and PIN, are wrong.",
    "phone_needs_tls": "This phone must use https.",
}

TEXTS: Mapping[str, Mapping[str, str]] = {"en": {**ENGLISH, **SETTINGS_ENGLISH, **ADMIN_ENGLISH}}


def choose_language(language: str) -> str:
    """Return the language of the page for an owner whose language is `language`, as `en-GB`."""
    code = language.partition("-")[0].partition("_")[0].lower()
    return code if code in TEXTS else "en"


class Translator:
    """The sentences of one language."""

    def __init__(self, language: str) -> None:
        self.language = choose_language(language)
        self._texts = TEXTS[self.language]

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence `key` with values in place of `{name}`. Raises KeyError for an unknown key."""
        return self._texts[key].format(**values)
