"""The other side of every pair: app_voicemail ("Comedian Mail") on the same Asterisk, set up to do the same steps."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.lab.processes import ASTERISK_UID, SHARED_GID

CONTEXT = "bench"
MAX_MESSAGES = 9_999
"""app_voicemail's limit: messages beyond it are not stored."""
MAX_HARD_LINKS = 30_000
STABLE_SETTINGS = ("moveheard = no", "sendvoicemail = yes")
"""A box that is only listened to stays as it is, so that each pair finds the same."""
DIALPLAN = f"""
[from-phones](+)
exten => _*70X!,1,VoiceMailMain(${{EXTEN:3}}@{CONTEXT},s)
 same => n,Hangup()
exten => _*71X!,1,VoiceMailMain(${{EXTEN:3}}@{CONTEXT})
 same => n,Hangup()
exten => _*78X!,1,VoiceMail(${{EXTEN:3}}@{CONTEXT},u)
 same => n,Hangup()
exten => _*76X!,1,Gosub(ivr-leave,s,1(number=${{EXTEN:3}}))
 same => n,Hangup()
"""


def write_config(etc: Path, boxes: Iterable[str], pin: str) -> None:
    """Its boxes, and the numbers to dial: *70N sign-in without a PIN, *71N with it, *78N to leave a message
    in N; *76N to leave one in ours."""
    general = [
        "format = wav",
        f"maxmsg = {MAX_MESSAGES}",
        "maxsilence = 5",
        "review = yes",
        "skipms = 10000",
        *STABLE_SETTINGS,
    ]
    lines = ["[general]", *general, f"[{CONTEXT}]", *(f"{box} => {pin},Bench {box},,,attach=no" for box in boxes)]
    (etc / "voicemail.conf").write_text("\n".join([*lines, ""]))
    with (etc / "extensions.conf").open("a") as file:
        file.write(DIALPLAN)


def inbox_folder(spool: Path, box: str) -> Path:
    """Where its new messages lie."""
    return spool / "voicemail" / CONTEXT / box / "INBOX"


def fill_inbox(spool: Path, box: str, count: int, audio: Path, *, in_saved_folder: bool = False) -> None:
    """`count` new messages (or `saved` ones) of the same audio, at most 9,999."""
    folder = inbox_folder(spool, box)
    if in_saved_folder:
        folder.mkdir(parents=True)
        folder = folder.with_name("Old")
    folder.mkdir(parents=True)
    source = audio
    for n in range(min(count, MAX_MESSAGES)):
        target = folder / f"msg{n:04}.wav"
        if n % MAX_HARD_LINKS == 0:
            shutil.copyfile(source, target)
            source = target
        else:
            os.link(source, target)
        (folder / f"msg{n:04}.txt").write_text(_message_metadata(int(time.time()) - 3600, n))


def chown_to_asterisk(spool: Path) -> None:
    """All of it belongs to Asterisk's user from now on."""
    for path in (spool / "voicemail", *(spool / "voicemail").rglob("*")):
        os.chown(path, ASTERISK_UID, SHARED_GID)


def _message_metadata(left_at: int, n: int) -> str:
    replacements: Mapping[str, object] = {
        "origmailbox": "bench", "context": "from-phones", "exten": "s", "rdnis": "unknown", "priority": 1,
        "callerchan": "PJSIP/bench", "callerid": '"Bench" <2001>', "origdate": time.ctime(left_at),
        "origtime": left_at, "category": "", "msg_id": f"{left_at}-{n:08}", "flag": "", "duration": 5,
    }  # fmt: skip
    return "[message]\n" + "".join(f"{name}={value}\n" for name, value in replacements.items())
