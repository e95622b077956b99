"""What a report says about options of voicemail.conf that have no place here, or a place that is not in a mailbox."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ivr.imports.system import Note, NoteLevel
from ivr.imports.voicemail_conf import FALSE_WORDS, GENERAL_ONLY, MAILBOX_ONLY, TRUE_WORDS, VoicemailConf

_ZERO = re.compile(r"[+-]?0+(?:\.0*)?")
EXPECTED_VALUES = {
    "nextaftercmd": "yes",
    "messagewrap": "no",
    "searchcontexts": "no",
    "attachextrecs": "no",
    "forward_urgent_auto": "no",
    "tempgreetwarn": "yes",
    "sayduration": "no",
    "usedirectory": "no",
    "backupdeleted": "no",
    "volgain": "no",
    "smdienable": "no",
}
"""Options without a setting here, and the value that means the same as here, which needs no note."""
REMARKS = {
    "sayduration": "the key # of the message menu says the length",
    "saydurationm": "the key # of the message menu says the length",
    "tempgreetwarn": "owners always hear at sign-in that a temporary greeting without a last day is in use",
    "backupdeleted": "deleted messages stay in the folder deleted for days (retention.deleted_days)",
    "volgain": "the volume of a mail's audio is not changed",
    "dialout": "owners cannot dial other numbers from the menu",
    "externnotify": "set notifications.program (docs/notifications.md)",
    "externpass": "set pins.change_program, which gets the PIN on its standard input (docs/notifications.md)",
    "externpassnotify": "set pins.change_program, which gets the PIN on its standard input (docs/notifications.md)",
    "externpasscheck": "set pins.check_program: exit code 0 accepts a PIN (docs/notifications.md)",
    "pagersubject": "short mails are made of templates (docs/notifications.md)",
    "pagerbody": "short mails are made of templates (docs/notifications.md)",
    "pagerfromstring": "set mail.sender",
    "emaildateformat": "dates of mails have the form of the user's language",
    "pagerdateformat": "dates of mails have the form of the user's language",
    "serveremail": "set mail.sender",
    "fromstring": "set mail.sender",
    "mailcmd": "mail is sent over SMTP: set mail.host",
    "minsecs": "set min_message_size of the account, in milliseconds",
    "maxlogins": "set max_login_attempts of the account",
    "minpassword": "set min_pin_length of the account",
    "alias": "the directory finds the names of mailbox and owner",
    "silencethreshold": "Asterisk's level of silence applies (silencethreshold in dsp.conf)",
    "listen-control-forward-key": "set the key fastforward of the key map (keys of the mailbox or the account)",
    "listen-control-reverse-key": "set the key rewind of the key map (keys of the mailbox or the account)",
    "listen-control-pause-key": "set the key pause of the key map (keys of the mailbox or the account)",
    "listen-control-restart-key": "set the key replay of the key map (keys of the mailbox or the account)",
    "listen-control-stop-key": "every key of the message menu ends the playback",
}
SOUND_REMARK = "recordings of your own have the place of ours in a folder: set sounds.folder (docs/languages.md)"
SOUND_OPTIONS = ("vm-", "directoryintro")
"""How options begin that name a sound file."""
SILENT_OPTIONS = frozenset(
    {
        *("attach", "attachfmt", "saycid", "envelope", "delete", "maxmsg", "maxsecs", "maxsilence", "tz", "language"),
        *("locale", "leaveurgent", "forcename", "forcegreetings", "passwordlocation", "aliasescontext", "charset"),
        *("format", "skipms", "operator", "pollmailboxes", "pollfreq", "sendvoicemail"),
        *("hidefromdir", "moveheard", "maxgreet", "exitcontext", "callback", "emailsubject", "emailbody"),
        *("review", "odbcstorage", "odbctable", "odbc_audio_on_disk", "pbxskip"),
        *("expungeonhangup", "authuser", "authpassword", "opentimeout", "closetimeout", "readtimeout", "writetimeout"),
    }
)
"""Options that are taken over, need no place here, or have a note of their own."""
SILENT_BEGINNINGS = ("imap", "tps_")
"""How options begin that have a note of their own or say how app_voicemail works inside."""
WAV_FORMATS = frozenset({"wav", "wav49"})


def describe_option(option: str, value: str, *, in_mailbox: bool) -> str:
    """Return what is to be said about an option of a mailbox, or of [general]; "" if nothing."""
    if value.strip() and option in (GENERAL_ONLY if in_mailbox else MAILBOX_ONLY):
        place = "in [general] only" if in_mailbox else "in a mailbox only"
        return f"{option}={value}: app_voicemail reads it {place}, so it is left out"
    if option == "attachfmt" and value.strip().lower() not in ("", *WAV_FORMATS):
        return f"{option}={value}: mails carry MP3"
    if option in SILENT_OPTIONS or option.startswith(SILENT_BEGINNINGS):
        return ""
    if not value.strip() or _plain(value) == EXPECTED_VALUES.get(option):
        return ""
    remark = SOUND_REMARK if option.startswith(SOUND_OPTIONS) else REMARKS.get(option)
    return f"{option}={value}: {remark or 'has no equivalent'}"


def describe_combinations(options: Mapping[str, str], own: Collection[str]) -> list[str]:
    """Return what is to be said about options that matter only without another one.

    `own`: the options that are set where the note belongs, in the mailbox or in [general].
    """
    notes = []
    has_operator = _plain(options.get("operator", "")) == "yes" and not options.get("exitcontext", "").strip()
    if has_operator and ("operator" in own or "exitcontext" in own):
        place = "for other lines set operator_context, where it leads to operator_number (docs/dialplan.md)"
        notes.append(f"operator: the key 0 leads to the extension o of the context of an ivr-voicemail line; {place}")
    if "locale" in own or "language" in own:
        locale = re.split(r"[_.@]", options.get("locale", ""))[0].lower()
        language = re.split(r"[_-]", options.get("language", ""))[0].lower()
        if locale not in ("", "c", "posix", language):
            notes.append(f"locale={options['locale']}: mails are in the language of the user: set language")
    return notes


def general_notes(conf: VoicemailConf) -> list[Note]:
    """Return notes about [general] whose options have no place here."""
    notes = [Note("", NoteLevel.WARNING, text) for text in conf.warnings]
    for option, value in conf.general.items():
        if text := describe_option(option, value, in_mailbox=False):
            notes.append(Note("", NoteLevel.WARNING, f"[general] {text}"))
    texts = describe_combinations(conf.general, conf.general)
    return notes + [Note("", NoteLevel.WARNING, f"[general] {text}") for text in texts]


def storage_notes(conf: VoicemailConf, *, spool_has_messages: bool) -> list[Note]:
    """Return notes about messages that app_voicemail stores in other places than the spool.

    An option may be left over from an earlier installation: what counts is whether the spool has messages.
    """
    level = NoteLevel.WARNING if spool_has_messages else NoteLevel.LOSS
    in_imap = [box.own_options for box in conf.mailboxes.values() if box.own_options.get("imapuser")]
    notes = []
    if conf.general.get("imapserver") or conf.general.get("imapuser") or in_imap:
        notes.append(Note("", level, "imapserver, imapuser: messages in IMAP are not read (docs/moving-in.md)"))
    if storage := conf.general.get("odbcstorage"):
        remedy = "are read with --messages-table, and --database or --dump (docs/moving-in.md)"
        notes.append(Note("", level, f"odbcstorage={storage}: messages that app_voicemail stores over ODBC {remedy}"))
    return notes


def _plain(value: str) -> str:
    """Return yes or no for what Asterisk takes for it, and a number without a volume as no."""
    word = value.strip().lower()
    if word in TRUE_WORDS:
        return "yes"
    return "no" if word in FALSE_WORDS or _ZERO.fullmatch(word) else word
