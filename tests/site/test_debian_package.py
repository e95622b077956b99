"""The Debian package: built, checked by lintian, installed on a fresh machine, and called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.site.conftest import needs_a_site
from tests.site.follow import follow_steps, make_passwords, pjsip_conf
from tests.site.machine import CHECKOUT, SiteMachine
from tests.site.page import TypedCommand, read_steps

FIRST_STEP_AFTER_PACKAGE = "4. The dialplan"
PACKAGE = "/usr/src/ivr/ivr-voicemail_0.1.0_amd64.deb"


@needs_a_site
def test_package_is_installed_called_and_removed(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = read_steps(CHECKOUT / "docs" / "install.md")
    titles = [step.title for step in steps]
    passwords = make_passwords()
    with SiteMachine({"/etc/asterisk/pjsip.conf": pjsip_conf(passwords)}) as machine, capsys.disabled():
        machine.copy_in(package, PACKAGE)
        [install] = read_steps(CHECKOUT / "docs" / "packages.md")
        follow_steps(machine, [install, *steps[titles.index(FIRST_STEP_AFTER_PACKAGE) :]], passwords, tmp_path / "x")
        check_contents(machine)
        machine.run("apt-get purge -y ivr-voicemail")
        left = machine.run("ls /var/lib/ivr/state; ls -d /etc/ivr /etc/asterisk/ivr /usr/lib/ivr 2>/dev/null || true")
        assert "ivr.db" in left.split(), "messages are kept"
        assert not set(left.split()) & {"/etc/ivr", "/etc/asterisk/ivr", "/usr/lib/ivr"}


def check_contents(machine: SiteMachine) -> None:
    """Configuration that a site may change, documents, manual pages, completion."""
    conffiles = machine.run("dpkg-query -W -f '${Conffiles}' ivr-voicemail")
    for name in ("/etc/ivr/ivr.toml", "/etc/asterisk/ivr/extensions.conf", "/etc/asterisk/ivr/manager.conf"):
        assert name in conffiles
    listed = machine.run("dpkg -L ivr-voicemail").splitlines()
    for name in ("/usr/share/man/man1/ivr.1.gz", "/usr/lib/sysusers.d/ivr-voicemail.conf"):
        assert name in listed
    assert any(re.fullmatch(r"/usr/share/doc/ivr-voicemail/docs/operations.md(.gz)?", name) for name in listed)
    completed = 'COMP_WORDS=(ivr box pi); COMP_CWORD=2; _ivr; echo "${COMPREPLY[@]}"'
    assert machine.run(f". /usr/share/bash-completion/completions/ivr; {completed}") == "pin\n"


def test_install_page_has_the_step_after_the_package() -> None:
    steps = read_steps(CHECKOUT / "docs" / "install.md")
    assert FIRST_STEP_AFTER_PACKAGE in [step.title for step in steps]
    [install] = read_steps(CHECKOUT / "docs" / "packages.md")
    assert [action.command for action in install.actions if isinstance(action, TypedCommand)]
