"""A lab with app_voicemail beside ours: the same phones, the same messages, the same Asterisk."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import wave
from collections.abc import Mapping
from pathlib import Path

from bench import app_voicemail
from tests.lab.asterisk_config import SipAccount
from tests.lab.lab import ROOT, Lab
from tests.lab.processes import as_service_user
from tests.lab.sip_phone.speech import speech

PIN = "1379"
SOUNDS_PACKAGE = "asterisk-core-sounds-en-wav"


class BenchLab(Lab):
    """`boxes`: number → how many messages, in ours and in theirs: new ones, or `saved`.

    `box`: settings of ours. Each box has two phones: p and its number, its owner's; s and its number, a stranger's.
    """

    def __init__(
        self, boxes: dict[str, int], message_s: int = 8, box: Mapping[str, object] | None = None, *,
        agi: bool = False, saved: bool = False,
    ) -> None:  # fmt: skip
        phones = (SipAccount(f"{letter}{number}", secrets.token_hex(8), number) for number in boxes for letter in "ps")
        super().__init__(tuple(phones), agi=agi)
        self.boxes = boxes
        self.box = box or {}
        self.saved = saved
        self.environment["IVR_VOICEMAIL__MAX_MESSAGE_COUNT"] = "0"
        self.audio = self.folder / "message.wav"
        self.asterisk_sounds = _asterisk_sounds_folder()
        self._write_message(message_s)
        app_voicemail.write_config(self.site.folder / "etc", boxes, PIN)

    def create_data(self) -> None:
        """Users, phones, boxes and messages, on both sides; the service must not run yet."""
        wanted = {"boxes": self.boxes, "box": self.box, "pin": PIN, "audio": str(self.audio), "saved": self.saved}
        subprocess.run(
            [sys.executable, "-m", "bench.fill_boxes"], input=json.dumps(wanted), text=True, check=True,
            **as_service_user(self.environment),
        )  # fmt: skip
        for number, count in self.boxes.items():
            app_voicemail.fill_inbox(self.folder / "spool", number, count, self.audio, in_saved_folder=self.saved)
        app_voicemail.chown_to_asterisk(self.folder / "spool")

    def pids(self) -> tuple[int, int]:
        """Of Asterisk and of the service."""
        return self.asterisk.pid, self.service.pid

    def phone_credentials(self, letter: str, number: str) -> tuple[str, str]:
        """User and password of one of a box's phones."""
        device = next(device for device in self.site.devices if device.name == f"{letter}{number}")
        return device.name, device.password

    def _write_message(self, seconds: int) -> None:
        with wave.open(str(self.audio), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(speech(4711, seconds * 1000).tobytes())
        self.audio.chmod(0o644)


def _asterisk_sounds_folder() -> Path:
    """The folder of Asterisk's own English prompts as WAV; installs them where need be."""
    folder = next(iter(ROOT.glob("usr/share/asterisk/sounds/en_US_f_Allison")), Path("/nowhere"))
    if not (folder / "vm-youhave.wav").exists():
        install = ("apt-get", "install", "-y", "--no-install-recommends", SOUNDS_PACKAGE)
        inside = ("chroot", str(ROOT)) if shutil.which("chroot") and ROOT.exists() else ()
        subprocess.run([*inside, *install], check=True, capture_output=True)
        folder = next(ROOT.glob("usr/share/asterisk/sounds/en_US_f_Allison"))
    return folder
