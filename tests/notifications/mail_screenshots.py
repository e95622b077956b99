"""`python -m tests.notifications.mail_screenshots`: each mail as a browser shows it, into docs/pictures/. Needs Debian's chromium."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from ivr.directory.models import Account, User
from ivr.mailbox.box_settings import Box
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.notifications.mail import template_context
from ivr.notifications.mail.template_context import Attachment
from ivr.notifications.mail.templates import MailTemplates
from ivr.storage.records import Caller, Counts, Folder, Message
from tests.support.app_fixture import NOON

SCREENSHOT_FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
SIZES = {"new": (640, 500), "full": (640, 270), "locked": (640, 300)}
TRANSCRIPT = "Hello, this is Rachel at Maple Street Dental. Your appointment has moved to Thursday at half past nine."


def main() -> None:
    account = Account(id="a" * 32, name="acme", realm="acme.example")
    alice = User(id="u" * 32, name="alice", email="alice@acme.example", settings={"first_name": "Alice"})
    box = Mailbox("b" * 32, account, alice, Box(name="Alice", mailbox="1000"), VoicemailSettings())
    message = Message(
        "201605-" + "0" * 32, account.id, box.id, Folder.NEW, NOON, 14_200,
        Caller("+12025550118", "Maple Street Dental"), to_uri="1000@acme.example",
    )  # fmt: skip
    message = replace(message, transcription=json.dumps({"result": "success", "text": TRANSCRIPT}))
    counts = Counts(new=97, saved=3)
    audio = Attachment(template_context.attachment_filename(box, message), "mp3", bytes(57_344))
    said = {
        "new": template_context.message_context(box, counts, message, audio),
        "full": template_context.box_context(box, counts), "locked": template_context.box_context(box, counts),
    }  # fmt: skip
    SCREENSHOT_FOLDER.mkdir(exist_ok=True)
    for kind, (width, height) in SIZES.items():
        text = MailTemplates(None).render(kind, account, "en", said[kind])
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "mail.html"
            page.write_text(text.html)
            subprocess.run(
                ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 f"--user-data-dir={folder}", f"--window-size={width},{height}",
                 f"--screenshot={SCREENSHOT_FOLDER / f'mail-{kind}.png'}", page.as_uri()],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip


if __name__ == "__main__":
    main()
