"""Program `python -m tests.notifications.mail_screenshots`: renders each mail into docs/pictures/ with chromium."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ivr.directory.models import Account, User
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.mailbox import Mailbox, Occupancy
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.notifications.mail.audio import Attachment, MailedAudio, attachment_filename
from ivr.notifications.mail.rendering import MailTemplates
from ivr.notifications.mail.variables import box_variables, message_variables
from ivr.storage.records import MEGABYTE, Caller, Folder, Message
from tests.support.app_fixture import NOON

SCREENSHOT_FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PICTURES = {
    "new_message": ("mail-new.png", 640, 500),
    "box_full": ("mail-full.png", 640, 270),
    "box_locked": ("mail-locked.png", 640, 300),
}
"""Template, file name, width and height."""
TRANSCRIPT = "Hello, this is Rachel at Maple Street Dental. Your appointment has moved to Thursday at half past nine."


def _in_english(variables: dict[str, Any], _: str) -> dict[str, Any]:
    return variables


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
    used = Occupancy(
        messages=82, new_messages=79, max_messages=100, size_bytes=140 * MEGABYTE, quota_bytes=200 * MEGABYTE
    )
    full = replace(used, messages=100)
    audio = MailedAudio(Attachment(attachment_filename(box, message), "mp3", bytes(57_344)))
    variables = {
        "new_message": message_variables(box, used, message, audio, "en"),
        "box_full": box_variables(box, full),
        "box_locked": box_variables(box, used),
    }
    SCREENSHOT_FOLDER.mkdir(exist_ok=True)
    for template, (file_name, width, height) in PICTURES.items():
        content = MailTemplates(None).render(template, account, "en", partial(_in_english, variables[template]))
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
