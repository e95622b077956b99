"""Checks of the connections to Asterisk: AMI and ARI."""

from __future__ import annotations

import asyncio
import base64
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from ivr.ami.client import AmiClient, AmiTiming
from ivr.ami.settings import AmiSettings
from ivr.call.ari.settings import AriSettings
from ivr.call.ari.tls import client_context, describe_tls_error
from ivr.doctor import console
from ivr.doctor.console import ConsoleUnavailable
from ivr.doctor.installation import Installation
from ivr.doctor.settings_file import (
    edit_command,
    section_edit,
    set_command,
    set_in_section_command,
    unset_command,
)
from ivr.errors import AmiActionRejected, AmiUnavailable, BadInput, SettingsError, StoreError, describe_error
from ivr.health.finding import RESTART, RUN_AS_ROOT, START, Finding, ok, problem, warning
from ivr.local_peer import PeerCheck
from ivr.paths import asterisk_users, load_ami_settings
from ivr.storage.files import run_as_owner_of
from ivr.validation.networks import format_address

ASTERISK_FOLDER = "/etc/asterisk"
RELOAD_MANAGER = "asterisk -rx 'manager reload'"
RELOAD_HTTP = "asterisk -rx 'module reload http'"
EVERY_ADDRESS = ("0.0.0.0", "::")
INSTALL_SECRET = f"ivr install; {RELOAD_MANAGER}; {RESTART}"
STRANGERS_PORT = "end that program, and start Asterisk; or tell ivr that Asterisk runs as USER"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
DEFAULT_USER = AmiSettings().user
REQUIRED_ACTIONS = ("Originate", "Status")
"""Originate: message lights and calls to owners. Status: whether a channel still exists."""


AMI_TIMING = AmiTiming(request_timeout_s=15.0)
"""A busy machine needs more time than a service that goes on by itself."""


def check_ami(installation: Installation, timing: AmiTiming = AMI_TIMING) -> Iterator[Finding]:
    """Check that the service's client can log in to Asterisk's manager, with the actions that it needs."""
    try:
        with run_as_owner_of(installation.data_folder):
            ami = load_ami_settings(installation.settings)
    except StoreError as error:
        yield problem("AMI", str(error), command=RUN_AS_ROOT)
        return
    if not ami.secret:
        yield warning(
            "AMI",
            "not configured: phones have no message lights, and owners are not called about new messages",
            'set enabled = yes in manager.conf, and add at its end: #include "ivr/manager.conf"; then:'
            f" {INSTALL_SECRET}",
            command=INSTALL_SECRET,
        )
        return
    address = format_address(ami.host, ami.port)
    try:
        check_peer = asterisk_users(installation.settings).require
        yield asyncio.run(_check_login(ami, timing, check_peer, installation))
    except AmiUnavailable as error:
        what = f"{address} is not Asterisk's manager, or does not respond: {error}"
        remedy = f"check host and port in [ami] of ivr.toml, and permit= in [{ami.user}] in manager.conf"
        listening = _listening_address(installation, MANAGER)
        edit = edit_command(installation.config_file, "ami", "port", "host")
        yield _move_to(installation, MANAGER, listening, what, (ami.host, ami.port)) or problem(
            "AMI", what, remedy, command=edit
        )
    except PermissionError as error:
        yield _strangers_port(installation, "AMI", f"{address}: {error}")
    except OSError as error:
        what = f"no connection to {address}: {describe_error(error) or 'timeout'}"
        yield _closed_port(installation, MANAGER, what, (ami.host, ami.port))


def _strangers_port(installation: Installation, check: str, what: str) -> Finding:
    command = set_command(installation.config_file, "asterisk", {"user": '"USER"'})
    return problem(check, what, STRANGERS_PORT, command=command, fill_in=("USER",) if command else ())


async def _check_login(
    settings: AmiSettings, timing: AmiTiming, check_peer: PeerCheck, installation: Installation
) -> Finding:
    """Raises OSError if the port is closed, `AmiUnavailable` if something else listens there."""
    file = installation.config_file
    address, client = (
        format_address(settings.host, settings.port),
        AmiClient(settings, timing=timing, check_peer=check_peer),
    )
    section = f"[{settings.user}] in manager.conf"
    try:
        await client.check_login()
    except BadInput:
        what = "the user or the secret contains a line break or is too long"
        edit = edit_command(file, "ami", "secret", "user")
        return problem("AMI", what, "write each on one line in [ami] of ivr.toml", command=edit)
    except AmiActionRejected:
        what = f"Asterisk's manager at {address} rejects the user {settings.user}"
        if not installation.settings.ami.secret:  # It is that of `ivr install`.
            remedy = f"{INSTALL_SECRET}; if it stays: the permit= of {section}"
            return problem("AMI", what, remedy, command=INSTALL_SECRET)
        remedy = (
            f"write the secret of {section} in [ami] of ivr.toml, and allow our address by its permit=; then:"
            f" {RELOAD_MANAGER}; {RESTART}"
        )
        command = edit_command(file, "ami", "secret")
        if settings.user == DEFAULT_USER and settings.host in LOOPBACK:
            remedy += "; or use that of ivr install"
            command = unset_command(file, "ami", "secret", then=INSTALL_SECRET)
        return problem("AMI", what, remedy, command=command)
    if missing := [action for action in REQUIRED_ACTIONS if not client.supports(action)]:
        remedy = f"set write = originate,call,message,reporting in {section}; then: {RELOAD_MANAGER}"
        what = f"{settings.user} can log in at {address}, but may not use {' or '.join(missing)}"
        edit = shlex.quote(section_edit(settings.user, "write", "originate,call,message,reporting", in_all=True))
        places = " ".join(f"{ASTERISK_FOLDER}/{name}" for name in ("manager.conf", "manager.d", "ivr"))
        files = f"$(grep -FlrsI {shlex.quote(f'[{settings.user}]')} {places})"
        return problem("AMI", what, remedy, command=f"sed -i {edit} {files} && {RELOAD_MANAGER}")
    return ok("AMI", f"{settings.user} can log in at {address}")


@dataclass(frozen=True, slots=True)
class _Interface:
    """A server of Asterisk. `section`: of ivr.toml; `file`: its own settings; `show`: says where it listens."""

    check: str
    section: str
    file: str
    show: str
    reload: str
    remedy: str


MANAGER = _Interface(
    "AMI",
    "ami",
    "manager.conf",
    "manager show settings",
    RELOAD_MANAGER,
    remedy="set enabled = yes, bindaddr and port in manager.conf; then: " + RELOAD_MANAGER,
)
HTTP = _Interface(
    "ARI",
    "ari",
    "http.conf",
    "http show status",
    RELOAD_HTTP,
    remedy="set enabled = yes, bindaddr and bindport in http.conf; then: " + RELOAD_HTTP,
)


def _closed_port(installation: Installation, interface: _Interface, what: str, configured: tuple[str, int]) -> Finding:
    """Return what is wrong where nothing listens. The console knows whether the server is off or somewhere else."""
    listening = _listening_address(installation, interface)
    command = set_in_section_command(f"{ASTERISK_FOLDER}/{interface.file}", "general", "enabled", "yes")
    command = f"{command} && {interface.reload}"
    if listening is not None and not listening[1]:
        return problem(interface.check, f"{what}; it is switched off in {interface.file}", command=command)
    if configured[0] not in LOOPBACK:
        command = edit_command(installation.config_file, interface.section, "port", "host")
    return _move_to(installation, interface, listening, what, configured) or problem(
        interface.check, what, interface.remedy, command=command
    )


def _listening_address(installation: Installation, interface: _Interface) -> tuple[str, int] | None:
    """Return where Asterisk says that a server of its listens, port 0 if it is off; None if it does not say."""
    try:
        return console.parse_listening_address(installation.console.run_command(interface.show))
    except ConsoleUnavailable:
        return None


def _move_to(
    installation: Installation,
    interface: _Interface,
    listening: tuple[str, int] | None,
    what: str,
    configured: tuple[str, int],
) -> Finding | None:
    """Return the finding whose command sets the address where Asterisk listens; None if that is what is set."""
    host, port = listening or ("", 0)
    if not port:
        return None
    here = {"host": f'"{host}"'} if host not in (*EVERY_ADDRESS, configured[0]) else {}
    values = here | ({"port": str(port)} if port != configured[1] else {})
    command = set_command(installation.config_file, interface.section, values) if values else ""
    if not command:
        return None
    return problem(interface.check, f"{what}; Asterisk listens at {format_address(host, port)}", command=command)


MAX_RESPONSE_BYTES = 65_536


def check_ari(installation: Installation) -> Iterator[Finding]:
    """Check that ARI accepts our password and that our application is connected.

    There is no finding if ARI is not configured.
    """
    settings = installation.settings.ari
    if not settings.password:
        return
    address = format_address(settings.host, settings.port)
    if settings.per_call_connections and not settings.listen_port:
        what = "per_call_connections is set, but listen_port is not: Asterisk cannot connect to the service"
        yield problem(
            "ARI",
            what,
            "set listen_port in [ari] of ivr.toml to PORT, that of the uri in websocket_client.conf",
            command=set_command(installation.config_file, "ari", {"listen_port": "PORT"}),
            fill_in=("PORT",),
        )
    if settings.listen_port:
        yield ok(
            "ARI",
            f"Asterisk connects to {format_address(settings.listen_host, settings.listen_port)}"
            " (websocket_client.conf)",
        )
        if not settings.per_call_connections:
            return
    try:
        response = _fetch_application(installation, settings)
    except SettingsError as error:
        edit = edit_command(installation.config_file, "ari", "tls_ca")
        what = f"{error}: the service does not start"
        yield problem("ARI", what, "correct tls_ca in [ari] of ivr.toml", command=edit)
        return
    except PermissionError as error:
        yield _strangers_port(installation, "ARI", f"{address}: {error}")
        return
    except OSError as error:
        if what := describe_tls_error(error, settings):
            what, _, remedy = what.partition("): ")
            edit = edit_command(installation.config_file, "ari", "tls_ca", "tls")
            yield problem("ARI", f"{what})", remedy, command=edit)
            return
        yield _closed_port(
            installation, HTTP, f"no connection to {address}: {describe_error(error)}", (settings.host, settings.port)
        )
        return
    status = response.split(b" ", 2)[1:2]
    if response.startswith(b"HTTP/") and status:
        yield _finding_for(status[0], response, installation)
        return
    what, listening = f"{address} is not Asterisk's HTTP server", _listening_address(installation, HTTP)
    yield _move_to(installation, HTTP, listening, what, (settings.host, settings.port)) or problem(
        "ARI",
        what,
        "check host and port in [ari] of ivr.toml",
        command=edit_command(installation.config_file, "ari", "port", "host"),
    )


def _finding_for(status: bytes, response: bytes, installation: Installation) -> Finding:
    settings = installation.settings.ari
    address = format_address(settings.host, settings.port)
    if status in (b"401", b"403"):
        remedy = (
            f"write the password of [{settings.user}] in ari.conf in [ari] of ivr.toml, and allow our address by the"
            f" ACL of http.conf; then: asterisk -rx 'module reload res_ari.so'; {RESTART}"
        )
        what = f"Asterisk at {address} rejects the user {settings.user}"
        return problem("ARI", what, remedy, command=edit_command(installation.config_file, "ari", "password"))
    if status == b"200":
        return ok("ARI", f"{settings.user} can log in at {address}, and {settings.application} is connected")
    if status == b"404" and b"pplication" in response:
        what = f"{settings.user} can log in, but no service is connected as {settings.application}"
        return warning(
            "ARI",
            what,
            "start it: systemctl start ivr; if it runs, its log says why it is not connected",
            command=START,
        )
    remedy = (
        "set enabled = yes in [general] of ari.conf, which may have only one such section (write others as"
        " [general](+)), and load its module: Asterisk's log says why not"
    )
    edit = set_in_section_command(f"{ASTERISK_FOLDER}/ari.conf", "general", "enabled", "yes", merges=True)
    load = "asterisk -rx 'module load res_ari.so'; asterisk -rx 'module reload res_ari.so'"
    return problem("ARI", f"Asterisk at {address} has no ARI", remedy, command=f"{edit}; {load}")


def _fetch_application(installation: Installation, settings: AriSettings) -> bytes:
    credentials = base64.b64encode(f"{settings.user}:{settings.password}".encode()).decode()
    lines = [
        f"GET /ari/applications/{settings.application} HTTP/1.1",
        f"Host: {format_address(settings.host, settings.port)}",
        f"Authorization: Basic {credentials}",
        "Connection: close",
        "",
        "",
    ]
    response = b""
    with _connect(installation, settings) as connection:
        connection.sendall("\r\n".join(lines).encode())
        while len(response) < MAX_RESPONSE_BYTES and (received := connection.recv(MAX_RESPONSE_BYTES)):
            response += received
    return response


def _connect(installation: Installation, settings: AriSettings) -> socket.socket:
    """Connect to Asterisk's HTTP server. Raises OSError, `SettingsError`."""
    with run_as_owner_of(installation.data_folder):
        context = client_context(settings)
    connection = installation.host.connect(settings.host, settings.port)
    if context is None:
        try:
            asterisk_users(installation.settings).require(connection)
        except BaseException:
            connection.close()
            raise
        return connection
    try:
        return context.wrap_socket(connection, server_hostname=settings.host)
    except BaseException:
        connection.close()
        raise
