"""docs/install.md, followed word by word on a fresh Debian machine, until a caller's message is heard by its owner.

Takes a minute and the network, so it is not part of an ordinary run of pytest: `make test-install`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.asterisk_root import unavailable_reason
from tests.site.machine import CHECKOUT, SiteMachine, why_no_systemd
from tests.site.page import FileEdit, Step, TelephoneCall, TypedCommand, read_steps

PAGE = CHECKOUT / "docs" / "install.md"
MAX_STEPS = 10
CALL_TIMEOUT_S = 120.0
STORED_WITHIN_S = 10.0
NETWORK_COMMANDS = ("apt ", "/opt/ivr/bin/pip ")
PHONES = {"a caller outside": ("provider", "from-trunk"), "Alice": ("alice-desk", "from-phones")}
"""The site's phones before the first step: {the page's words: (PJSIP endpoint, its context)}."""

ENABLED = "IVR_TEST_INSTALL"

pytestmark = [
    pytest.mark.skipif(ENABLED not in os.environ, reason="takes a minute and the network: make test-install"),
    pytest.mark.skipif(bool(unavailable_reason()), reason=unavailable_reason() or ""),
]


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
    return machine.run(typed.command, network=typed.command.startswith(NETWORK_COMMANDS), folder="/root/ivr")


def make_call(machine: SiteMachine, call: TelephoneCall, phones: dict[str, tuple[str, str]], scratch: Path) -> None:
    scratch.write_text(json.dumps({"lines": call.lines, "phones": phones}))
    command = [*machine.enter_network(), sys.executable, "-m", "tests.site.calls", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT, timeout=CALL_TIMEOUT_S)
    assert done.returncode == 0, f"{call.lines}\n{done.stderr[-3000:]}\n{machine.logs()}"


def test_install_page_leads_to_a_message_that_its_owner_hears(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = read_steps(PAGE)
    assert 0 < len(steps) <= MAX_STEPS
    passwords = {endpoint: secrets.token_hex(8) for endpoint, _ in PHONES.values()}
    phones = {owner: (endpoint, passwords[endpoint]) for owner, (endpoint, _) in PHONES.items()}
    began = time.monotonic()
    with SiteMachine({"/etc/asterisk/pjsip.conf": pjsip_conf(passwords)}) as machine, capsys.disabled():
        under = "systemd" if machine.has_systemd else f"a stand-in of systemctl: {why_no_systemd()}"
        print(f"\nAsterisk is started by its Debian unit, under {under}.")
        for step in steps:
            run_step(machine, step, phones, tmp_path / "scratch")
            print(f"{time.monotonic() - began:6.1f} s  {step.title}")
        check_units(machine)


def check_units(machine: SiteMachine) -> None:
    """What the page does not show: how systemd runs the service."""
    arguments = machine.run("tr '\\0' ' ' < /proc/$(cat /run/asterisk/asterisk.pid)/cmdline")
    assert arguments.split() == ["/usr/sbin/asterisk", "-g", "-f", "-p", "-U", "asterisk", "-G", "asterisk"]
    if not machine.has_systemd:
        return
    shown = machine.run("systemctl show ivr -p Type,WatchdogUSec,NRestarts,SubState,StatusText")
    shown_values = dict(line.split("=", 1) for line in shown.splitlines())
    assert shown_values["Type"] == "notify"
    assert shown_values["WatchdogUSec"] == "30s"
    assert (shown_values["NRestarts"], shown_values["SubState"]) == ("0", "running")
    assert "agi://127.0.0.1:4573/" in shown_values["StatusText"]
    machine.run("systemctl reload ivr")
    machine.run("timeout 30 sh -c 'until journalctl -u ivr | grep -q settings.reloaded; do sleep 0.2; done'")
