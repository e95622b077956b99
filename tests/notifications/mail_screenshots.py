"""Program `python -m tests.notifications.mail_screenshots`: renders each mail into docs/pictures/ with chromium."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from ivr.directory.models import Account, User
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.notifications.mail import composition
from ivr.notifications.mail.composition import Attachment, MailTemplates
from ivr.storage.records import Caller, Folder, FolderCounts, Message
from tests.support.app_fixture import NOON

SCREENSHOT_FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PICTURES = {
    "new_message": ("mail-new.png", 640, 500),
    "box_full": ("mail-full.png", 640, 270),
    "box_locked": ("mail-locked.png", 640, 300),
}
"""Template, file name, width and height."""
TRANSCRIPT = "Hello, this is Rachel at Maple Street Dental. Your appointment has moved to Thursday at half past nine."


def main() -> None:
    account = Account(id="a" * 32, name="acme", realm="acme.example")
    alice = User(id="u" * 32, name="alice", email="alice@acme.example", settings={"first_name": "Alice"})
    box = Mailbox("b" * 32, account, alice, BoxSettings(name="Alice", mailbox="1000"), VoicemailSettings())
    message = Message(
        "201605-" + "0" * 32,
        account.id,
        box.id,
        Folder.NEW,
        NOON,
        14_200,
        Caller("+12025550118", "Maple Street Dental"),
        to_uri="1000@acme.example",
    )
    message = replace(message, transcription=json.dumps({"result": "success", "text": TRANSCRIPT}))
    counts = FolderCounts(new=97, saved=3)
    audio = Attachment(composition.attachment_filename(box, message), "mp3", bytes(57_344))
    contexts = {
        "new_message": composition.message_context(box, counts, message, audio),
        "box_full": composition.box_context(box, counts),
        "box_locked": composition.box_context(box, counts),
    }
    SCREENSHOT_FOLDER.mkdir(exist_ok=True)
    for template, (file_name, width, height) in PICTURES.items():
        content = MailTemplates(None).render(template, account, "en", contexts[template])
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "mail.html"
            page.write_text(content.html)
            subprocess.run(
                [
                    "chromium",
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    f"--user-data-dir={folder}",
                    f"--window-size={width},{height}",
                    f"--screenshot={SCREENSHOT_FOLDER / file_name}",
                    page.as_uri(),
                ],
                check=True,
                capture_output=True,
                timeout=120,
            )


if __name__ == "__main__":
    main()
