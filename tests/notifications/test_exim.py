"""Mail through a real mail server: Debian's exim, on a free port, delivering into files."""

from __future__ import annotations

import email
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from email import policy
from pathlib import Path

import pytest

from tests.notifications.conftest import NotificationAppFixture
from tests.support.free_port import free_port

EXIM = shutil.which("exim4", path="/usr/sbin:/usr/bin")
SKIP_REASON = ""
if not EXIM:
    SKIP_REASON = "needs exim: apt install exim4-daemon-light"
elif os.geteuid() != 0:
    SKIP_REASON = "needs root: exim changes to another user"

CONFIGURATION = """
primary_hostname = mail.example.org
spool_directory = {folder}/spool
log_file_path = {folder}/log-%s
pid_file_path = {folder}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
rfc1413_hosts =
host_lookup =
acl_smtp_rcpt = check
never_users =
begin acl
check:
  accept local_parts = ann : ben
  deny message = no such user
begin routers
people:
  driver = accept
  local_parts = ann : ben
  transport = file
begin transports
file:
  driver = appendfile
  file = {folder}/boxes/$local_part_data
  create_directory
  user = {user}
  group = {user}
"""


class EximServer:
    """A running exim and the mails that it delivered."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder

    def wait_for_mails(self, user: str, within_s: float = 20) -> list[bytes]:
        """Wait until exim logs a delivery to the recipient, and return all mails delivered so far."""
        box, log = self._folder / "boxes" / user, self._folder / "log-main"
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not (log.exists() and f"=> {user} " in log.read_text()):
            time.sleep(0.1)
        return [part for part in box.read_bytes().split(b"\nFrom ") if part.strip()] if box.exists() else []


@pytest.fixture
def exim_server(tmp_path: Path) -> Iterator[EximServer]:
    port = free_port()
    # exim started with -C drops root and stays its own user, so it delivers into a folder of that user.
    folder = Path(f"/var/tmp/ivr-exim-{os.getpid()}")
    folder.mkdir(mode=0o755)
    (folder / "boxes").mkdir(mode=0o1777)
    (folder / "boxes").chmod(0o1777)
    configuration = folder / "exim.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, user="Debian-exim"))
    shutil.chown(folder, "Debian-exim", "Debian-exim")
    process = subprocess.Popen([EXIM or "", "-bdf", "-C", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield EximServer(folder, port)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(bool(SKIP_REASON), reason=SKIP_REASON)
async def test_mail_reaches_mailboxes_and_unknown_recipient_is_given_up(
    tmp_path: Path, exim_server: EximServer
) -> None:
    app = NotificationAppFixture(
        tmp_path / "data", mail={"host": "127.0.0.1", "port": exim_server.port, "sender": "vm@example.org"}
    )
    await app.open()
    addresses = ["ann@example.org", "ben@example.org", "unknown@example.org"]
    message = await app.leave_message(await app.create_box(notify_email_addresses=addresses), name="Zoë Müller")
    await app.run_until_idle()
    for user in ("ann", "ben"):
        [raw] = exim_server.wait_for_mails(user)
        mail = email.message_from_bytes(raw.partition(b"\n")[2], policy=policy.default)
        assert mail["Subject"] == "New voicemail from Zoë Müller (2001)"
        assert message.id in mail["Message-ID"]
        [attached] = mail.iter_attachments()
        assert attached.get_filename() == "zoë_müller_2016-05-10_12-00-00.mp3"
    [task] = await app.pending_tasks()
    assert task.is_given_up
    assert "no such user" in (task.error or "")
    await app.shut_down()
