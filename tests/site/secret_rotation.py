"""Replacing the secrets of a site, by the commands of docs/operations.md, while calls go on."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.site.follow import PHONES, make_call
from tests.site.machine import SiteMachine
from tests.site.page import TelephoneCall

LEAVING = TelephoneCall(
    (
        "a caller outside dials 4930123400",
        'hears "The person at extension one zero zero zero is not available."',
        "speaks after the beep",
        "hangs up",
    )
)
LISTENING = TelephoneCall(
    ("Alice dials *97", 'hears "You have one new message."', "hears the message", "presses 7", "hangs up")
)
CHANNELS = 'asterisk -rx "core show channels count"'
ACTIVE = f"timeout 60 sh -c 'until {CHANNELS} | grep -q \"^1 active call\"; do sleep 0.1; done'"
STORED = "timeout 60 sh -c 'until ivr message list 1000 | grep -q ^new; do sleep 0.2; done'"


def check_secret_rotation(machine: SiteMachine, passwords: dict[str, str], scratch: Path) -> None:
    """Rotate both secrets. A call that is in progress is stored, and an owner is known by the new secret alone."""
    phones = {owner: (endpoint, passwords[endpoint]) for owner, (endpoint, _) in PHONES.items()}
    errors: list[AssertionError] = []

    def leave_message() -> None:
        try:
            make_call(machine, LEAVING, phones, scratch.with_suffix(".caller"))
        except AssertionError as error:
            errors.append(error)

    for line in ("ivr secret rotate", "ivr secret rotate --overlap 0", "ivr secret rotate ami"):
        files = machine.run("cat /etc/asterisk/ivr/secret.conf /etc/asterisk/ivr/manager-secret.conf")
        caller = threading.Thread(target=leave_message)
        caller.start()
        machine.run(ACTIVE)
        printed = machine.run(line)
        caller.join()
        assert not errors, errors[0]
        assert "Asterisk has read it" in printed
        assert machine.run("cat /etc/asterisk/ivr/secret.conf /etc/asterisk/ivr/manager-secret.conf") != files
        machine.run(STORED)
        make_call(machine, LISTENING, phones, scratch)  # Without a PIN: her phone is believed because of the secret.
    machine.run("systemctl restart ivr")
    machine.run("timeout 60 sh -c 'until ivr doctor; do sleep 0.5; done'")
    assert "ok       AMI" in machine.run("ivr doctor")
