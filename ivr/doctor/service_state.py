"""Reads how the service does: its units from systemd, its page /readyz, and the certificate that it presents."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Mapping
from typing import Any

from ivr.health.pages import READY_PATH
from ivr.settings import Settings
from ivr.validation.networks import local_host

PROPERTIES = "LoadState,UnitFileState,ActiveState,Result,NeedDaemonReload,User,Listen,FragmentPath"
SYSTEMCTL_TIMEOUT_S = 10.0


def read_unit_properties(unit: str) -> Mapping[str, str]:
    """Return what systemd says of a unit, the values of a repeated property in lines; {} where it does not run."""
    command = ["systemctl", "show", unit, f"--property={PROPERTIES}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SYSTEMCTL_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            found[name] = f"{found[name]}\n{value}" if name in found else value
    return found


READINESS_TIMEOUT_S = 10.0
MAX_PAGE_BYTES = 65_536


def fetch_readiness(settings: Settings) -> Mapping[str, Any]:
    """Return the document at /readyz of the service with these settings. Raises `OSError`, `ValueError`."""
    health, api = settings.health, settings.api
    host, port = (health.host, health.port) if health.port else (api.host, api.port)
    host = local_host(host)
    connection: http.client.HTTPConnection
    if api.tls_certificate and not health.port:
        # The page is public and read from this machine, so the name in the certificate does not matter.
        connection = http.client.HTTPSConnection(host, port, timeout=READINESS_TIMEOUT_S, context=_any_certificate())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=READINESS_TIMEOUT_S)
    try:
        connection.request("GET", READY_PATH)
        document = json.loads(connection.getresponse().read(MAX_PAGE_BYTES))
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP response: {error!r}") from error
    finally:
        connection.close()
    if not isinstance(document, dict) or "checks" not in document:
        raise ValueError("another program responds")
    return document


def fetch_certificate(host: str, port: int) -> bytes:
    """Return the certificate that a server presents, in DER. Raises `OSError` and, as one of them, `ssl.SSLError`."""
    address = (local_host(host), port)
    with (
        socket.create_connection(address, timeout=READINESS_TIMEOUT_S) as connection,
        _any_certificate().wrap_socket(connection) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True) or b""


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
