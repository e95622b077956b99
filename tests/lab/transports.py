"""The transports between a lab's Asterisk and its services: FastAGI, ARI, and classic AGI, one process a call.

Every lab has the first two open, so that a line of its dialplan may take either; `IVR_TRANSPORT` says which one calls
take that do not choose. Classic AGI needs rights that no other lab's Asterisk has, and is there where it is wanted.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TRANSPORTS = ("fastagi", "ari", "agi")
ARI_OVER_HTTP, ARI_PER_CALL = "ari-http", "ari-per-call"
"""ARI where Asterisk takes no requests over the WebSocket, and where it dials the services for each call."""
TRANSPORT_MODES = (*TRANSPORTS, ARI_OVER_HTTP, ARI_PER_CALL)
ARI_USER = "ivr"
APPS_VARIABLE = "IVR_STASIS_APPS"
"""Which applications a call may go to; a channel variable wins over the global one."""


@dataclass(frozen=True, slots=True)
class ServiceInstance:
    """One service. Its name is its ARI application's, for the dialplan."""

    name: str
    port: int
    """Where it listens for FastAGI."""
    data: Path
    listen_port: int = 0
    """Where Asterisk dials it for each call; 0: nowhere."""

    @property
    def own_application(self) -> str:
        """What its own connection carries; where it is dialled for each call, `name` is what the dialplan calls."""
        return f"{self.name}.own" if self.listen_port else self.name


def service_environment(instance: ServiceInstance, http_port: int, secret: str) -> dict[str, str]:
    """What a service needs to be reached by FastAGI and ARI, as environment variables."""
    return {
        "IVR_DATA__FOLDER": str(instance.data),
        "IVR_FASTAGI__PORT": str(instance.port),
        "IVR_ARI__PORT": str(http_port),
        "IVR_ARI__USER": ARI_USER,
        "IVR_ARI__PASSWORD": secret,
        "IVR_ARI__APPLICATION": instance.own_application,
        "IVR_ARI__LISTEN_PORT": str(instance.listen_port),
        "IVR_ARI__PER_CALL_CONNECTIONS": str(bool(instance.listen_port)),
    }


def select_service_lines(instance: ServiceInstance) -> list[str]:
    """Lines of a dialplan behind the first of an extension: the call goes to this service."""
    return [
        f" same => n,Set(IVR_FASTAGI_ADDRESS=127.0.0.1:{instance.port})",
        f" same => n,Set({APPS_VARIABLE}={instance.name})",
    ]


def wait_for_ari_application(app: str, console: Sequence[str], within_s: float) -> bool:
    """Wait until Asterisk, reached by `console`, has a connection of this ARI application."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        command = [*console, "-rx", "ari show apps"]
        output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
        if app in output.split():
            return True
        time.sleep(0.1)
    return False


def http_conf(sample: str, port: int, tls_port: int, tls_folder: Path) -> str:
    """Our sample, at ports of this lab's own, with what it shows of TLS."""
    lines = {
        "bindport = 8088": f"bindport = {port}",
        "; tlsenable": "tlsenable",
        "; tlsbindaddr = 127.0.0.1:8089": f"tlsbindaddr = 127.0.0.1:{tls_port}",
        "; tlscertfile = /etc/asterisk/ivr/ari-certificate.pem": f"tlscertfile = {tls_folder}/certificate.pem",
        "; tlsprivatekey = /etc/asterisk/ivr/ari-key.pem": f"tlsprivatekey = {tls_folder}/key.pem",
    }
    for what, to in lines.items():
        sample = _replace_line(sample, what, to)
    return sample


def ari_conf(sample: str, secret: str) -> str:
    """Our sample, with a password of this lab's own."""
    return _replace_line(sample, "change-me-to-a-long-random-word", secret)


def per_call_websocket_conf(instance: ServiceInstance, secret: str) -> tuple[list[str], list[str]]:
    """Sections of websocket_client.conf and ari.conf, as our samples show them."""
    name = instance.name
    return outbound_websocket_conf(name, "per_call_config", instance.listen_port, secret, ["reconnect_attempts = 2"])


def tls_lines(sample: str, certificate: Path) -> list[str]:
    """What our sample of websocket_client.conf shows of TLS, with a certificate of this lab."""
    lines = [line.removeprefix("; ") for line in sample.splitlines() if re.match(r"; (tls_|ca_|verify_)", line)]
    assert len(lines) == 4, "the sample shows TLS no more"
    return [f"ca_list_file = {certificate}" if line.startswith("ca_list_file") else line for line in lines]


def outbound_websocket_conf(
    name: str, kind: str, port: int, secret: str, extra_lines: Sequence[str] = ()
) -> tuple[list[str], list[str]]:  # fmt: skip
    """Sections of websocket_client.conf and ari.conf by which Asterisk dials a service at `port`."""
    scheme = "wss" if any(line.startswith("tls_enabled = yes") for line in extra_lines) else "ws"
    client = [
        f"[{name}]", "type = websocket_client", f"connection_type = {kind}", f"uri = {scheme}://127.0.0.1:{port}/",
        "protocols = ari", f"username = {ARI_USER}", f"password = {secret}", "reconnect_interval = 200", *extra_lines,
    ]  # fmt: skip
    used = [f"[{name}-out]", "type = outbound_websocket", f"websocket_client_id = {name}", f"apps = {name}"]
    return client, [*used, f"local_ari_user = {ARI_USER}"]


def _replace_line(text: str, what: str, to: str) -> str:
    assert what in text, f"the sample has no {what} any more"
    return text.replace(what, to)


def agi_wrapper_script(environment: Mapping[str, str], program: str, become: str, log: Path) -> str:
    """A script for Asterisk's folder of AGI programs: `program` with the settings of a service.

    `become`: what stands before a command that the service's user runs on this machine, where a site has sudo.
    """
    words = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return f'#!/bin/sh\numask 027\nexec {become} /usr/bin/env -i {" ".join(words)} {program} "$@" 2>> {log}\n'
