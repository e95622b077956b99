"""docs/install.md, followed word by word on a fresh Debian machine, until a caller's message is heard by its owner.

Takes a minute and the network, so it is not part of an ordinary run of pytest: `make test-install`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site.conftest import needs_a_site
from tests.site.follow import follow_steps, make_passwords, pjsip_conf
from tests.site.machine import CHECKOUT, SiteMachine, why_no_systemd
from tests.site.page import read_steps
from tests.site.secret_rotation import check_secret_rotation
from tests.site.secure_unit import check_decoder_under_the_unit, check_pepper_as_credential

PAGE = CHECKOUT / "docs" / "install.md"
MAX_STEPS = 10


@needs_a_site
def test_install_page_leads_to_a_message_that_its_owner_hears(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = read_steps(PAGE)
    assert 0 < len(steps) <= MAX_STEPS
    passwords = make_passwords()
    with SiteMachine({"/etc/asterisk/pjsip.conf": pjsip_conf(passwords)}) as machine, capsys.disabled():
        under = "systemd" if machine.has_systemd else f"a stand-in of systemctl: {why_no_systemd()}"
        print(f"\nAsterisk is started by its Debian unit, under {under}.")
        follow_steps(machine, steps, passwords, tmp_path / "scratch")
        check_units(machine)
        check_secret_rotation(machine, passwords, tmp_path / "scratch")
        if machine.has_systemd:
            check_decoder_under_the_unit(machine, tmp_path / "scratch")
            check_pepper_as_credential(machine, "acme")
        else:
            print(f"Not shown: the unit's filter, and the pepper as a credential: {why_no_systemd()}.")


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
