"""Whether Asterisk's ARI lets us in, where calls are to come over it."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from ivr.call.ari.settings import AriSettings
from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation

MAX_RESPONSE_BYTES = 65_536


def check_ari(installation: Installation) -> Iterator[Finding]:
    """Ask about our own application, with our own password. Nothing where no calls are to come over ARI."""
    settings = installation.settings.ari
    if not settings.password:
        return
    at = f"{settings.host}:{settings.port}"
    if settings.per_call_connections and not settings.listen_port:
        remedy = "give listen_port of [ari] the port of the uri in websocket_client.conf"
        yield problem(
            "ARI", "Asterisk is to dial us for each call (per_call_connections), and we listen nowhere", remedy
        )
    if settings.listen_port:
        yield ok("ARI", f"Asterisk is to dial {settings.listen_host}:{settings.listen_port} (websocket_client.conf)")
        if not settings.per_call_connections:
            return
    try:
        answer = _fetch_application(installation, settings)
    except OSError as error:
        remedy = "enabled = yes, bindaddr and bindport in http.conf; then: asterisk -rx 'module reload http'"
        yield problem("ARI", f"nothing answers at {at}: {error}", remedy)
        return
    yield _finding_for(answer, settings, at)


def _finding_for(response: bytes, settings: AriSettings, at: str) -> Finding:
    status = response.split(b" ", 2)[1:2]
    if not response.startswith(b"HTTP/") or not status:
        return problem("ARI", f"what answers at {at} is not Asterisk's HTTP server", "see host and port of [ari]")
    if status[0] in (b"401", b"403"):
        remedy = f"the password of [{settings.user}] in ari.conf must be that of [ari] in ivr.toml; permit our address"
        return problem("ARI", f"Asterisk refuses the user {settings.user} at {at}", remedy)
    if status[0] == b"200":
        return ok("ARI", f"{settings.user} is let in at {at}, and {settings.application} is connected")
    if status[0] == b"404" and b"pplication" in response:
        remedy = "start it: ivr serve; its log says why where it does not connect"
        return warning(
            "ARI", f"{settings.user} is let in, but no service is connected as {settings.application}", remedy
        )
    remedy = "enabled = yes in ari.conf; then: asterisk -rx 'module load res_ari.so'; asterisk -rx 'ari show status'"
    return problem("ARI", f"Asterisk at {at} has no ARI", remedy)


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
    said = b""
    with installation.host.connect(settings.host, settings.port) as line:
        line.sendall("\r\n".join(lines).encode())
        while len(said) < MAX_RESPONSE_BYTES and (more := line.recv(MAX_RESPONSE_BYTES)):
            said += more
    return said
