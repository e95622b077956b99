"""`python -m tests.notify.pictures`: each mail as a browser shows it, into docs/pictures/. Needs Debian's chromium."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from ivr.directory.people import Account, User
from ivr.mailbox.box import Box
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller, Counts, Folder, Message
from ivr.mailbox.system import VoicemailSettings
from ivr.notify.mail import macros
from ivr.notify.mail.macros import Attachment
from ivr.notify.mail.templates import Templates
from tests.support.house import NOON

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SIZES = {"new": (640, 500), "full": (640, 270), "locked": (640, 300)}
SAID = "Hello, this is Rachel at Maple Street Dental. Your appointment has moved to Thursday at half past nine."


def main() -> None:
    account = Account(id="a" * 32, name="acme", realm="acme.example")
    alice = User(id="u" * 32, name="alice", email="alice@acme.example", settings={"first_name": "Alice"})
    box = Mailbox("b" * 32, account, alice, Box(name="Alice", mailbox="1000"), VoicemailSettings())
    message = Message(
        "201605-" + "0" * 32, account.id, box.id, Folder.NEW, NOON, 14_200,
        Caller("+12025550118", "Maple Street Dental"), to_uri="1000@acme.example",
    )  # fmt: skip
    message = replace(message, transcription=json.dumps({"result": "success", "text": SAID}))
    counts = Counts(new=97, saved=3)
    audio = Attachment(macros.file_name(box, message), "mp3", bytes(57_344))
    said = {
        "new": macros.of_message(box, counts, message, audio),
        "full": macros.of_box(box, counts), "locked": macros.of_box(box, counts),
    }  # fmt: skip
    PICTURES.mkdir(exist_ok=True)
    for kind, (width, height) in SIZES.items():
        text = Templates(None).render(kind, account, "en", said[kind])
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "mail.html"
            page.write_text(text.html)
            subprocess.run(
                ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 f"--user-data-dir={folder}", f"--window-size={width},{height}",
                 f"--screenshot={PICTURES / f'mail-{kind}.png'}", page.as_uri()],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip


if __name__ == "__main__":
    main()
