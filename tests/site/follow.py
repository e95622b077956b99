"""Following the steps of a page on a machine: commands, edits of files, telephone calls."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.site.machine import CHECKOUT, SiteMachine
from tests.site.page import FileEdit, Step, TelephoneCall, TypedCommand

CALL_TIMEOUT_S = 120.0
STORED_WITHIN_S = 10.0
NETWORK_COMMANDS = ("apt ", "/opt/ivr/bin/pip ")
PHONES = {"a caller outside": ("provider", "from-trunk"), "Alice": ("alice-desk", "from-phones")}
"""The site's phones before the first step: {the page's words: (PJSIP endpoint, its context)}."""


def pjsip_conf(passwords: dict[str, str]) -> str:
    """A site's phones, as they are before anything of ours."""
    lines = ["[transport-udp]", "type = transport", "protocol = udp", "bind = 127.0.0.1:5060"]
    for endpoint, context in PHONES.values():
        lines += [
            f"[{endpoint}]", "type = endpoint", f"context = {context}", "disallow = all", "allow = ulaw",
            f"auth = {endpoint}", f"aors = {endpoint}",
            f"[{endpoint}]", "type = auth", "auth_type = userpass", f"username = {endpoint}",
            f"password = {passwords[endpoint]}",
            f"[{endpoint}]", "type = aor", "max_contacts = 1",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def make_passwords() -> dict[str, str]:
    """A password for each PJSIP endpoint."""
    return {endpoint: secrets.token_hex(8) for endpoint, _ in PHONES.values()}


def follow_steps(machine: SiteMachine, steps: Iterable[Step], passwords: dict[str, str], scratch: Path) -> None:
    """Follow the steps in order, and print when each was done."""
    phones = {owner: (endpoint, passwords[endpoint]) for owner, (endpoint, _) in PHONES.items()}
    began = time.monotonic()
    for step in steps:
        run_step(machine, step, phones, scratch)
        print(f"{time.monotonic() - began:6.1f} s  {step.title}")


def run_step(machine: SiteMachine, step: Step, phones: dict[str, tuple[str, str]], scratch: Path) -> None:
    """Do what a step says, and compare what is printed and heard with what the page says."""
    deadline = 0.0
    for action in step.actions:
        if isinstance(action, TypedCommand):
            printed = run_command(machine, action)
            while not action.has_printed(printed) and time.monotonic() < deadline:
                printed = run_command(machine, action)
            expected = "\n".join(action.expected_lines)
            assert action.has_printed(printed), f"{action.command}\nprinted:\n{printed}\nthe page says:\n{expected}"
        elif isinstance(action, FileEdit):
            scratch.write_text(action.applied_to(machine.run(f"cat {action.path}")))
            machine.copy_in(scratch, action.path)
        else:
            make_call(machine, action, phones, scratch)
            deadline = time.monotonic() + STORED_WITHIN_S  # A message is stored a moment after its caller hangs up.


def run_command(machine: SiteMachine, typed: TypedCommand) -> str:
    return machine.run(typed.command, network=typed.command.startswith(NETWORK_COMMANDS), folder="/usr/src/ivr")


def make_call(machine: SiteMachine, call: TelephoneCall, phones: dict[str, tuple[str, str]], scratch: Path) -> None:
    try:
        make_call_from(machine.enter_network(), call, phones, scratch)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{machine.logs()}") from error


def make_call_from(enter: list[str], call: TelephoneCall, phones: dict[str, tuple[str, str]], scratch: Path) -> None:
    """Make a call from the network that the words `enter` lead into; [] is that of this computer."""
    scratch.write_text(json.dumps({"lines": call.lines, "phones": phones}))
    command = [*enter, sys.executable, "-m", "tests.site.calls", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT, timeout=CALL_TIMEOUT_S)
    assert done.returncode == 0, f"{call.lines}\n{done.stderr[-3000:]}"
