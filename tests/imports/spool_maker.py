"""Makes a spool of app_voicemail: every folder, every format, odd callers, damaged files.

    python -m tests.imports.spool_maker FOLDER 9999

makes a large one, in FOLDER/voicemail.conf and FOLDER/spool: 40 boxes, and so many messages in the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ivr.audio import wav
from tests.lab.sip_phone.speech import speech

ENCODERS: dict[str, tuple[str, ...]] = {
    "sln": ("-f", "s16le"),
    "sln16": ("-ar", "16000", "-f", "s16le"),
    "sln48": ("-ar", "48000", "-f", "s16le"),
    "wav16": ("-ar", "16000", "-f", "wav"),
    "ulaw": ("-f", "mulaw"),
    "alaw": ("-f", "alaw"),
    "g722": ("-ar", "16000", "-f", "g722"),
    "gsm": ("-codec:a", "libgsm", "-f", "gsm"),
    "WAV": ("-codec:a", "libgsm_ms", "-f", "wav"),
}
"""Options of ffmpeg for each format that app_voicemail writes besides wav; a test compares it with what is read."""
FORMATS = ("wav", *ENCODERS)
BEGIN = 1_460_000_000
CONF = """\
[general]
format = wav49|gsm|wav
maxmsg = 50

[zonemessages]
berlin=Europe/Berlin|'vm-received' Q 'digits/at' kM

[default]
2001 => 4716,Rosa Klein,rosa@acme.example|office@acme.example,,tz=berlin|saycid=yes
2002 => -5839,Sven Groß,,,maxmsg=0
"""


@dataclass
class MadeMessage:
    """A message of the spool, as an import is expected to take it over."""

    stem: Path
    folder: str
    time: int
    caller: tuple[str, str]
    """Number and name."""
    ms: int
    voice: int
    """Which recording of made-up speech it is."""
    formats: tuple[str, ...]
    urgent: bool = False


@dataclass
class SpoolMaker:
    """Makes the files below `folder`. Recordings are encoded once, and linked to where they are needed."""

    folder: Path
    made: list[MadeMessage] = field(default_factory=list)
    _count: int = 0

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def conf(self) -> Path:
        return self.folder / "voicemail.conf"

    def write_conf(self, text: str = CONF) -> None:
        self.folder.mkdir(exist_ok=True, parents=True)
        self.conf.write_text(text)

    def audio(self, suffix: str, voice: int = 1, ms: int = 1500) -> Path:
        """Return a recording in a format; made when it is first asked for."""
        samples = self.folder / "audio" / f"{voice}-{ms}.wav"
        samples.parent.mkdir(exist_ok=True, parents=True)
        if not samples.exists():
            wav.write(samples, speech(voice, ms).tobytes())
        encoded = samples.with_name(f"{voice}-{ms}.{suffix}")
        if not encoded.exists():
            command = ("ffmpeg", "-v", "error", "-y", "-i", str(samples), *ENCODERS[suffix], str(encoded))
            subprocess.run(command, check=True)
        return encoded

    def message(
        self,
        folder: str = "INBOX",
        *,
        box: str = "2001@default",
        callerid: str = '"Ann Example" <5551>',
        caller: tuple[str, str] = ("5551", "Ann Example"),
        formats: tuple[str, ...] = ("wav",),
        voice: int = 1,
        ms: int = 1500,
        **fields: str,
    ) -> MadeMessage:
        """Add a message, with the next free number of its folder."""
        number, _, context = box.partition("@")
        parent = self.spool / context / number / folder
        parent.mkdir(exist_ok=True, parents=True)
        stem = parent / f"msg{len([*parent.glob('msg*.txt')]):04d}"
        self._count += 1
        time = BEGIN + self._count * 60
        values = {
            "origmailbox": number,
            "context": "from-phones",
            "exten": number,
            "rdnis": "unknown",
            "priority": "1",
            "callerchan": "PJSIP/ann-00000001",
            "callerid": callerid,
            "origdate": "Thu Apr  7 03:33:20 AM UTC 2016",
            "origtime": str(time),
            "category": "",
            "msg_id": f"{time}-{self._count:08x}",
            "flag": "Urgent" if folder == "Urgent" else "",
            "duration": str(ms // 1000),
            **fields,
        }
        lines = [";", "; Message Information file", ";", "[message]", *(f"{k}={v}" for k, v in values.items())]
        stem.with_name(f"{stem.name}.txt").write_text("\n".join(lines) + "\n")
        for suffix in formats:
            os.link(self.audio(suffix, voice, ms), stem.with_name(f"{stem.name}.{suffix}"))
        is_urgent = values["flag"] == "Urgent"
        message = MadeMessage(stem, folder, time, caller, ms, voice, formats, is_urgent)
        self.made.append(message)
        return message

    def greeting(self, name: str, suffix: str = "wav", *, box: str = "2001@default", voice: int = 90) -> None:
        """Add a greeting."""
        number, _, context = box.partition("@")
        (self.spool / context / number).mkdir(exist_ok=True, parents=True)
        os.link(self.audio(suffix, voice), self.spool / context / number / f"{name}.{suffix}")


def make_large_spool(folder: Path, messages: int) -> SpoolMaker:
    """Make 40 boxes, and `messages` messages in the first."""
    maker = SpoolMaker(folder)
    maker.write_conf(
        "[general]\nmaxmsg = 9999\n[default]\n" + "".join(f"{2001 + n} => 47{n:02d}8,Person {n}\n" for n in range(40))
    )
    for n in range(messages):
        maker.message(
            folder=("INBOX", "Old", "Urgent", "Work", "Deleted")[n % 5] if n % 3 else "INBOX",
            formats=(FORMATS[n % len(FORMATS)],),
            voice=n % 20,
        )
    for n in range(1, 40):
        maker.message(box=f"{2001 + n}@default", voice=n % 20)
    return maker


if __name__ == "__main__":
    make_large_spool(Path(sys.argv[1]), int(sys.argv[2]))
