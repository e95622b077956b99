"""The Containerfile: built without a registry, by buildah and by Docker with compose.yaml, and called."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ivr.install.plan import ASTERISK_SECRET_FILE, MANAGER_SECRET_FILE
from ivr.paths import AMI_SECRET_FILE
from tests.site.conftest import needs_a_site
from tests.site.docker_engine import READY_TIMEOUT_S, DockerEngine, wait_for
from tests.site.follow import make_call, make_call_from
from tests.site.machine import CERTIFICATES_COPY, CHECKOUT, SiteMachine
from tests.site.page import TelephoneCall

CONTAINERS = CHECKOUT / "packaging" / "containers"
BUILDAH = "buildah --storage-driver vfs"
OPTIONS = "--isolation chroot"
LIMITS = "--ulimit nofile=1024:1024 --ulimit nproc=4096:4096"
NOT_IN_BASE = ("./root", "./proc", "./sys", "./run", "./dev", "./var/tmp", "./usr/bin/buildah")
MESSAGE = TelephoneCall(
    (
        "Bob dials 1000",
        'hears "The person at extension one zero zero zero is not available."',
        "speaks after the beep",
        "hangs up",
    )
)
LISTENING = TelephoneCall(("Alice dials *97", 'hears "You have one new message."', "hears the message", "hangs up"))


HAS_DOCKER = all(map(shutil.which, ("dockerd", "docker-compose")))

SECRET_FILES = [f"/var/lib/ivr/state/{name}" for name in (ASTERISK_SECRET_FILE, AMI_SECRET_FILE)] + [
    f"/etc/asterisk/ivr/{name}" for name in ("secret.conf", MANAGER_SECRET_FILE)
]
"""What `ivr install` puts into an image and no two installations may share."""


SHARED = {"/var/lib/ivr", "/etc/asterisk/ivr", "/run/asterisk"}
"""Folders of both containers: recordings, the dialplan and its secrets, the console of Asterisk."""


def compose() -> dict[str, Any]:
    """The parsed compose.yaml."""
    parsed: dict[str, Any] = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())
    return parsed


def demo_phones() -> dict[str, tuple[str, str]]:
    """User and password of each phone of the demo, by the name of its owner."""
    pjsip = (CONTAINERS / "asterisk" / "pjsip.conf").read_text()
    passwords = dict(re.findall(r"username = (\w+)\npassword = (\S+)", pjsip))
    return {name.capitalize(): (name, password) for name, password in passwords.items()}


@needs_a_site
def test_image_is_built_and_takes_a_call(tmp_path: Path) -> None:
    phones = demo_phones()
    with SiteMachine({}, ("buildah", "netavark")) as machine:
        build_image(machine)
        machine.run("systemctl stop asterisk")
        container = machine.run(f"{BUILDAH} from {LIMITS} localhost/ivr").strip()
        start = f"{BUILDAH} run {OPTIONS} {container} --"
        for service, ready in (("asterisk", "Asterisk Ready"), ("ivr", "ready for programs")):
            log = f"/var/log/container-{service}.log"
            machine.run(f"{{ {start} start {service} & }} > {log} 2>&1")
            machine.run(
                f"timeout 60 sh -c 'until grep -q \"{ready}\" {log}; do sleep 0.2; done' || {{ cat {log}; false; }}"
            )
        machine.run(f"{start} start demo")
        machine.run(f"{start} ivr doctor")
        make_call(machine, MESSAGE, phones, tmp_path / "call")
        make_call(machine, LISTENING, phones, tmp_path / "call")


def pack_base(machine: SiteMachine) -> None:
    """Pack the machine's own Debian into /var/tmp/base.tar of it."""
    excluded = " ".join(f"--exclude={name}" for name in NOT_IN_BASE)
    machine.run(f"tar -C / --one-file-system {excluded} -cf /var/tmp/base.tar .")


def build_image(machine: SiteMachine) -> None:
    """Build localhost/ivr on a base image that is made of the machine's own Debian."""
    pack_base(machine)
    machine.run(
        f"c=$({BUILDAH} from scratch) && {BUILDAH} add -q $c /var/tmp/base.tar / && rm /var/tmp/base.tar && "
        f"{BUILDAH} commit -q --rm $c localhost/debian"
    )
    mounted = ["/etc/pip.conf", CERTIFICATES_COPY]
    volumes = " ".join(f"$(test -e {path} && echo -v {path}:{path}:ro)" for path in mounted)
    built = machine.run(
        f"{BUILDAH} build {OPTIONS} {LIMITS} --layers=false --build-arg BASE=localhost/debian {volumes} "
        f"--env PIP_CERT={CERTIFICATES_COPY} -t ivr -f packaging/containers/Containerfile .",
        network=True, folder="/usr/src/ivr",
    )  # fmt: skip
    assert "Successfully tagged localhost/ivr" in built
    secrets_left = f"ls {' '.join(SECRET_FILES)} 2>/dev/null || true"
    container = machine.run(f"{BUILDAH} from {LIMITS} localhost/ivr").strip()
    assert machine.run(f"{BUILDAH} run {OPTIONS} {container} -- sh -c '{secrets_left}'") == ""


@needs_a_site
@pytest.mark.skipif(
    not (shutil.which("dockerd") and shutil.which("docker-compose")), reason="apt install docker.io docker-compose"
)
def test_demo_of_compose_takes_a_call_of_softphones(tmp_path: Path) -> None:
    base, network = tmp_path / "base.tar", tmp_path / "network.yaml"
    with SiteMachine({}) as machine:
        pack_base(machine)
        machine.copy_out("/var/tmp/base.tar", base)
    network.write_text(
        yaml.safe_dump({"services": {name: {"build": {"network": "host"}} for name in compose()["services"]}})
    )
    demo = f"docker-compose -p ivr-test -f {CONTAINERS}/compose.yaml -f {network}"
    with DockerEngine() as engine:
        engine.run(f"docker import -c 'ENV PIP_CERT={CERTIFICATES_COPY}' {base} {base_image()}")
        engine.run(f"{demo} up --build -d")
        try:
            wait_for(lambda: "1001" in engine.run(f"{demo} exec -T ivr ivr box list"), READY_TIMEOUT_S)
            wait_for(lambda: engine.run(f"{demo} exec -T ivr ivr doctor"), READY_TIMEOUT_S)
            make_call_from([], MESSAGE, demo_phones(), tmp_path / "call")
            make_call_from([], LISTENING, demo_phones(), tmp_path / "call")
        finally:
            engine.run(f"{demo} down -v -t 3")


def base_image() -> str:
    """The name of the image that the Containerfile begins with."""
    return (CONTAINERS / "Containerfile").read_text().partition("ARG BASE=")[2].split()[0]


def test_image_contains_no_secret_of_its_builder() -> None:
    """Everybody who has the image would know the secret of Asterisk's manager of each installation."""
    removed = re.search(r"&& rm -f (/var/lib/ivr(?:\\\n|.)+)", (CONTAINERS / "Containerfile").read_text())
    assert removed
    assert set(SECRET_FILES) <= set(removed[1].split())


def test_compose_starts_what_the_image_can_start() -> None:
    start = (CONTAINERS / "start").read_text()
    services = compose()["services"]
    for service in services.values():
        [command] = service["command"]
        assert re.search(rf"^    {command}\)", start, re.MULTILINE)
        dockerfile = service["build"]["dockerfile"]
        assert (CHECKOUT / dockerfile).is_file()
        assert ((CONTAINERS / service["build"]["context"]) / dockerfile).resolve() == CHECKOUT / dockerfile
        assert {volume.split(":")[1] for volume in service["volumes"]} == SHARED
    assert services["ivr"]["network_mode"] == "service:asterisk", "FastAGI is reached from that container only"
    rtp = dict(re.findall(r"(rtp\w+) = (\d+)", (CONTAINERS / "asterisk/rtp.conf").read_text()))
    ports = f"{rtp['rtpstart']}-{rtp['rtpend']}"
    assert f"127.0.0.1:{ports}:{ports}/udp" in services["asterisk"]["ports"]
