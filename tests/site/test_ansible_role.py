"""The Ansible role, on a fresh machine: afterwards a call is taken, and a second run changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

from tests.site.conftest import needs_a_site
from tests.site.follow import make_passwords, pjsip_conf, run_step
from tests.site.machine import CHECKOUT, SiteMachine
from tests.site.page import Step, TelephoneCall, read_steps

PLAYBOOK = """
- hosts: all
  roles:
    - role: ivr
      vars:
        ivr_package_file: /usr/src/ivr-voicemail.deb
        ivr_people_file: /usr/src/people.yaml
        ivr_settings:
          log: {level: debug}
          fastagi: {host: 127.0.0.1}
"""
PEOPLE = """
accounts:
  - name: acme
    timezone: Europe/Berlin
    users:
      - {name: alice, endpoints: [alice-desk], boxes: [{mailbox: 1000, pin: 739104, is_setup: true}]}
"""
EXTENSIONS = """[general]
static = yes

[globals]
OFFICE = Berlin

[from-phones]
exten => 200,1,Hangup()

[from-trunk]
exten => 4930123400,1,Gosub(ivr-leave,s,1(number=1000))
"""
COMMAND = (
    "ANSIBLE_ROLES_PATH=/usr/src/ivr/packaging/ansible/roles ansible-playbook -c local -i localhost, /usr/src/site.yml"
)


@needs_a_site
def test_role_installs_a_site_and_a_second_run_changes_nothing(package: Path, tmp_path: Path) -> None:
    passwords = make_passwords()
    files = {
        "/etc/asterisk/pjsip.conf": pjsip_conf(passwords),
        "/etc/asterisk/extensions.conf": EXTENSIONS,
        "/usr/src/site.yml": PLAYBOOK,
        "/usr/src/people.yaml": PEOPLE,
    }
    calls = [
        Step(step.title, tuple(action for action in step.actions if isinstance(action, TelephoneCall)))
        for step in read_steps(CHECKOUT / "docs" / "install.md")
    ]
    phones = {"a caller outside": ("provider", passwords["provider"]), "Alice": ("alice-desk", passwords["alice-desk"])}
    with SiteMachine(files, ("ansible-core", "python3-apt")) as machine:
        machine.copy_in(package, "/usr/src/ivr-voicemail.deb")
        first = machine.run(COMMAND)
        assert re.search(r"localhost .*failed=0", first), first
        for step in calls:
            run_step(machine, step, phones, tmp_path / "scratch")
        extensions = machine.run("cat /etc/asterisk/extensions.conf")
        assert extensions.startswith(
            '[general]\nstatic = yes\n\n[globals]\nOFFICE = Berlin\n\n#include "ivr/extensions.conf"\n\n[from-phones]\n'
            "include => ivr-phones\n"
        )
        assert 'level = "debug"' in machine.run("cat /etc/ivr/ivr.toml")
        second = machine.run(COMMAND)
        assert re.search(r"localhost .*changed=0 .*failed=0", second), second
