"""What only the real unit shows: a decoder is restricted inside its filter of system calls, and the pepper can be a
credential of systemd, which is rotated (docs/security.md)."""

from __future__ import annotations

import re
from pathlib import Path

from tests.site.machine import CHECKOUT, SiteMachine

PAGE = CHECKOUT / "docs" / "security.md"
SECTION = "The pepper elsewhere"
ADD_USER = "ivr user set alice --username alice --password 'correct horse battery'"
UPLOAD_AND_SIGN_IN = """
import hashlib, json, subprocess, sys, urllib.request
def ask(method, path, body, **headers):
    request = urllib.request.Request("http://127.0.0.1:8000/v2/" + path, body, headers, method=method)
    return json.load(urllib.request.urlopen(request))
if sys.argv[1] == "upload":
    listed = lambda *words: json.loads(subprocess.check_output(["ivr", *words, "--json"]))
    token, [account], [box] = listed("token", "create")["token"], listed("account", "list"), listed("box", "list")
    path = f"accounts/{account['id']}/vmboxes/{box['id']}/messages"
    headers = {"X-Auth-Token": token, "Content-Type": "audio/mpeg"}
    print(ask("PUT", path, open("/srv/tone.mp3", "rb").read(), **headers)["data"]["length"])
else:
    secret = hashlib.md5(b"alice:correct horse battery").hexdigest()
    document = {"data": {"credentials": secret, "account_name": sys.argv[2]}}
    print(ask("PUT", "user_auth", json.dumps(document).encode(), **{"Content-Type": "application/json"})["status"])
"""


def check_decoder_under_the_unit(machine: SiteMachine, scratch: Path) -> None:
    """An upload is converted, and the doctor says that the decoder is restricted."""
    scratch.write_text(UPLOAD_AND_SIGN_IN)
    machine.copy_in(scratch, "/srv/client.py")
    machine.run("ffmpeg -v error -y -f lavfi -i sine=frequency=440:duration=2 /srv/tone.mp3")
    assert abs(int(machine.run("python3 /srv/client.py upload")) - 2000) < 100
    assert "sees no other files" in machine.run("ivr doctor")
    status = machine.run("cat /proc/$(systemctl show --value -p MainPID ivr)/status")
    assert re.search(r"^Seccomp:\s*2$", status, re.MULTILINE), "the unit filters system calls"


def check_pepper_as_credential(machine: SiteMachine, account: str) -> None:
    """The commands of the page, until the rotated pepper is a credential again. The password is right all the time."""
    section = PAGE.read_text().partition(f"## {SECTION}\n")[2].partition("\n## ")[0]
    _, move, start, bring_back = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    [drop_in] = re.findall(r"```ini\n(.*?)```", section, re.DOTALL)
    [setting] = re.findall(r"```toml\n\[pins\]\n(.*?)```", section, re.DOTALL)
    machine.run(ADD_USER)
    machine.run("printf '\\n[pins]\\n' >> /etc/ivr/ivr.toml")
    run_all(machine, move)
    move_settings(machine, drop_in, setting)
    run_all(machine, start)
    assert "pepper" not in machine.run("ls /var/lib/ivr/state")
    assert sign_in(machine, account) == "success"
    run_all(machine, bring_back)
    assert sign_in(machine, account) == "success", "by the former pepper"
    machine.run(ADD_USER)
    machine.run("echo 739104 | ivr box pin 1000")
    current, earlier = (row.split() for row in machine.run("ivr pepper list").splitlines()[1:])
    assert (current[1], earlier[1:]) == ("current", ["earlier", "0"])
    machine.run("rm /var/lib/ivr/state/pepper.*")  # As the service does an hour later.
    run_all(machine, move)
    move_settings(machine, drop_in, setting)
    run_all(machine, start)
    assert sign_in(machine, account) == "success"


def move_settings(machine: SiteMachine, drop_in: str, setting: str) -> None:
    machine.run(f"printf %s '{drop_in}' > /etc/systemd/system/ivr.service.d/pepper.conf")
    machine.run(f"printf %s '{setting}' >> /etc/ivr/ivr.toml")


def sign_in(machine: SiteMachine, account: str) -> str:
    return machine.run(f"python3 /srv/client.py sign-in {account}").strip()


def run_all(machine: SiteMachine, block: str) -> None:
    for line in block.splitlines():
        machine.run(line.removeprefix("# "))
