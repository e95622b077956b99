"""Check of the ARI connection, for installations whose calls use it."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from ivr.call.ari.settings import AriSettings
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation

MAX_RESPONSE_BYTES = 65_536


def check_ari(installation: Installation) -> Iterator[Finding]:
    """Check that ARI accepts our password and that our application is connected.

    There is no finding if ARI is not configured.
    """
    settings = installation.settings.ari
    if not settings.password:
        return
    address = f"{settings.host}:{settings.port}"
    if settings.per_call_connections and not settings.listen_port:
        what = "per_call_connections is set, but listen_port is not: Asterisk cannot connect to the service"
        yield problem(
            "ARI", what, "set listen_port in [ari] of ivr.toml to the port of the uri in websocket_client.conf"
        )
    if settings.listen_port:
        yield ok("ARI", f"Asterisk connects to {settings.listen_host}:{settings.listen_port} (websocket_client.conf)")
        if not settings.per_call_connections:
            return
    try:
        response = _fetch_application(installation, settings)
    except OSError as error:
        remedy = "set enabled = yes, bindaddr and bindport in http.conf; then: asterisk -rx 'module reload http'"
        yield problem("ARI", f"no connection to {address}: {error}", remedy)
        return
    yield _finding_for(response, settings, address)


def _finding_for(response: bytes, settings: AriSettings, address: str) -> Finding:
    status = response.split(b" ", 2)[1:2]
    if not response.startswith(b"HTTP/") or not status:
        return problem("ARI", f"{address} is not Asterisk's HTTP server", "check host and port in [ari] of ivr.toml")
    if status[0] in (b"401", b"403"):
        remedy = (
            f"the password of [{settings.user}] in ari.conf must be that of [ari] in ivr.toml, and the ACL of http.conf"
            " must allow our address"
        )
        return problem("ARI", f"Asterisk at {address} rejects the user {settings.user}", remedy)
    if status[0] == b"200":
        return ok("ARI", f"{settings.user} can log in at {address}, and {settings.application} is connected")
    if status[0] == b"404" and b"pplication" in response:
        what = f"{settings.user} can log in, but no service is connected as {settings.application}"
        return warning("ARI", what, "start it: systemctl start ivr; if it runs, its log says why it is not connected")
    remedy = (
        "set enabled = yes in ari.conf; then: asterisk -rx 'module load res_ari.so'; asterisk -rx 'ari show status'"
    )
    return problem("ARI", f"Asterisk at {address} has no ARI", remedy)


def _fetch_application(installation: Installation, settings: AriSettings) -> bytes:
    credentials = base64.b64encode(f"{settings.user}:{settings.password}".encode()).decode()
    lines = [
        f"GET /ari/applications/{settings.application} HTTP/1.1",
        f"Host: {settings.host}:{settings.port}",
        f"Authorization: Basic {credentials}",
        "Connection: close",
        "",
        "",
    ]
    response = b""
    with installation.host.connect(settings.host, settings.port) as connection:
        connection.sendall("\r\n".join(lines).encode())
        while len(response) < MAX_RESPONSE_BYTES and (received := connection.recv(MAX_RESPONSE_BYTES)):
            response += received
    return response
