"""Check of the TLS certificate of the REST API: the service can use it, presents it, and clients accept its dates."""

from __future__ import annotations

import os
import re
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ivr.clock import SET_CLOCK
from ivr.doctor.installation import Installation
from ivr.doctor.settings_file import unset_command
from ivr.errors import describe_error
from ivr.health.finding import RESTART, Finding, Level, ok, problem, quoted, warning
from ivr.storage.data_folder import state_folder
from ivr.storage.files import run_as_owner_of
from ivr.validation.networks import format_address

CHECK = "REST TLS"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
DAY_S = 86_400
EXPIRES_SOON_S = 30 * DAY_S
ENCRYPTED = b"ENCRYPTED"
"""In the header of a private key with a passphrase."""
CORRECT_PATHS = f"correct tls_certificate and tls_key in [api] of ivr.toml, then: {RESTART}"
IGNORE_DATES = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python does not name."""
HANDSHAKE_ROUNDS = 4
_FIRST_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
"""That of the server; those of its authorities follow."""
MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
"""OpenSSL's reasons for a key of another certificate; the last: of another kind, such as RSA instead of EC."""


def check_tls_certificate(installation: Installation) -> Iterator[Finding]:
    """Check certificate and key of the REST API. There is no finding if it is served without TLS."""
    certificate, key = installation.settings.api.tls_certificate, installation.settings.api.tls_key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        present, missing = ("tls_certificate", "tls_key") if certificate else ("tls_key", "tls_certificate")
        what = f"{present} is set, but {missing} is not: the service does not start"
        # Without TLS, the tokens of a REST API that only this machine reaches stay on this machine.
        is_local = installation.settings.api.host in LOOPBACK
        command = unset_command(installation.config_file, "api", present) if is_local else ""
        yield problem(CHECK, what, f"set both or neither in [api] of ivr.toml, then: {RESTART}", command=command)
        return
    unreadable = [found for path in (certificate, key) for found in _access_problems(path, installation)]
    yield from unreadable
    if not unreadable:
        with run_as_owner_of(installation.data_folder):
            finding = _check_pair(certificate, key, installation)
        yield finding
        if finding.level is not Level.PROBLEM:
            yield from _check_served(certificate, installation)
    if _is_readable_by_all(key):
        command = _give_to_service(key, installation.data_folder)
        yield problem(CHECK, f"every user can read the private key {key}", command=command)


def _access_problems(path: Path, installation: Installation) -> Iterator[Finding]:
    """Yield why the user of the service cannot read a file."""
    data_folder = installation.data_folder
    with suppress(PermissionError):
        if not path.is_file():
            what = f"{path} does not exist: the service does not start"
            yield _replace(what, f"bring it back, or {CORRECT_PATHS}", installation)
            return
    with run_as_owner_of(data_folder):
        can_reach = os.access(path, os.F_OK, effective_ids=True)
        can_read = os.access(path, os.R_OK, effective_ids=True)
    what = f"the user of the service cannot read {path}: the service does not start"
    if not can_reach:
        remedy = "let the service have a copy, and renew it with the certificate (certbot: in a deploy hook)"
        command = _copy_to_service(installation)
        yield problem(CHECK, f"{what}, because of a folder above it", remedy, command=command)
    elif not can_read:
        yield problem(CHECK, what, command=f"{_give_to_service(path, data_folder)} && {RESTART}")


def _give_to_service(path: Path, data_folder: Path) -> str:
    """Return the command that lets the group of the service alone read a file, and no other user."""
    return f"chgrp --reference={quoted(state_folder(data_folder))} {quoted(path)} && chmod 640 {quoted(path)}"


def _copy_to_service(installation: Installation) -> str:
    """Return the command that copies certificate and key beside the settings, for the service, and names the copies.

    "" where the settings are in no file, or a path cannot be a word of sed.
    """
    api, config_file = installation.settings.api, installation.config_file
    paths = [path for path in (api.tls_certificate, api.tls_key) if path]
    if config_file is None or not all(re.fullmatch(r"[\w ./-]+", str(path)) for path in paths):
        return ""
    commands = []
    for path in paths:
        copy = config_file.parent / f"tls-{path.name}"
        commands += [f"cp -L {quoted(path)} {quoted(copy)}", _give_to_service(copy, installation.data_folder)]
        commands.append(f'sed -i \'s|"{path}"|"{copy}"|\' {quoted(config_file)}')
    return " && ".join([*commands, RESTART])


def _is_readable_by_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _replace(what: str, remedy: str, installation: Installation, report: Callable[..., Finding] = problem) -> Finding:
    """Return a finding whose command replaces certificate and key by others."""
    api, fill_in = installation.settings.api, ("CERTIFICATE", "KEY")
    pair = [path for path in (api.tls_certificate, api.tls_key) if path]
    copies = [f"cp {word} {quoted(path)}" for word, path in zip(fill_in, pair, strict=True)]
    command = " && ".join([*copies, _give_to_service(pair[1], installation.data_folder), RESTART])
    return report(CHECK, what, f"{remedy}; or replace both, by CERTIFICATE and KEY", command=command, fill_in=fill_in)


def _check_pair(certificate: Path, key: Path, installation: Installation) -> Finding:
    try:
        if ENCRYPTED in key.read_bytes():
            what = f"the private key {key} needs a passphrase: without it the service does not start"
            plain = f"{quoted(key)}.plain"
            command = (
                f"openssl pkey -in {quoted(key)} -out {plain} && cp {plain} {quoted(key)} && rm {plain} && {RESTART}"
            )
            return problem(CHECK, what, f"write it without one: {command}", command=command)
        begins, ends = read_validity(certificate, key)
    except ssl.SSLError as error:
        if error.reason in MISMATCHES:
            what = f"the private key {key} does not belong to the certificate {certificate}: the service does not start"
            return _replace(what, f"take the key that the certificate was made with: {CORRECT_PATHS}", installation)
        reason = (error.reason or "no PEM").replace("_", " ").lower()
        what = f"{certificate} and {key} cannot be used as a certificate and its private key in PEM format: {reason}"
        return _replace(what, CORRECT_PATHS, installation)
    except OSError as error:
        what = f"{certificate} or {key} cannot be read: {describe_error(error)}"
        return _replace(what, CORRECT_PATHS, installation)
    return _check_dates(certificate, begins, ends, installation)


def _check_served(certificate: Path, installation: Installation) -> Iterator[Finding]:
    """Check that the running service presents this certificate. There is no finding if it does not respond."""
    api = installation.settings.api
    with run_as_owner_of(installation.data_folder):
        first = _FIRST_CERTIFICATE.search(certificate.read_text())
    try:
        served = installation.host.fetch_certificate(api.host, api.port)
    except ssl.SSLError:
        address = format_address(api.host, api.port)
        what = f"the running service does not speak TLS at {address}: clients with https cannot connect"
        yield problem(CHECK, what, command=RESTART)
    except OSError:
        return  # The check of the port says so.
    else:
        if first and ssl.PEM_cert_to_DER_cert(first[0]) != served:
            what = (
                f"the running service presents another certificate than {certificate}: it was replaced since the start"
            )
            yield warning(CHECK, what, command=RESTART)


def _check_dates(certificate: Path, begins: float, ends: float, installation: Installation) -> Finding:
    now, renew = installation.host.clock.now(), f"renew it (certbot: certbot renew && {RESTART})"
    if ends <= now:
        return _replace(f"{certificate} expired on {_day(ends)}: clients reject it", renew, installation)
    if begins > now:
        what = f"{certificate} is valid from {_day(begins)} only: clients reject it"
        remedy = "set the clock, if it is wrong; else use the certificate of today"
        return problem(CHECK, what, remedy, command=SET_CLOCK)
    if ends - now <= EXPIRES_SOON_S:
        return _replace(f"{certificate} expires on {_day(ends)}", renew, installation, warning)
    return ok(CHECK, f"{certificate} is valid until {_day(ends)}")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def read_validity(certificate: Path, key: Path) -> tuple[float, float]:
    """Return from when to when a certificate is valid, in Unix seconds.

    Python parses a certificate only for the peer of a connection, so a client in memory connects to a server with it.
    Raises `OSError` and, as one of them, `ssl.SSLError`.
    """
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname = False
    client.load_verify_locations(certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | IGNORE_DATES
    server.load_cert_chain(certificate, key, password="")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client.wrap_bio(to_client, to_server)
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(HANDSHAKE_ROUNDS):
        for side in (client_side, server_side):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    parsed = client_side.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(parsed["notBefore"])), ssl.cert_time_to_seconds(str(parsed["notAfter"]))
