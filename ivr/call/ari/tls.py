"""TLS between Asterisk and the service: whom the service believes to be Asterisk, and what it shows to Asterisk."""

from __future__ import annotations

import ssl

from ivr.call.ari.settings import AriSettings
from ivr.errors import SettingsError, describe_error
from ivr.validation.networks import format_address


def client_context(settings: AriSettings) -> ssl.SSLContext | None:
    """Return how the service connects to Asterisk; None: without TLS. Raises `SettingsError`."""
    if not settings.tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.tls_ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"cannot use ari.tls_ca, {settings.tls_ca}: {_describe(error)}") from error


def server_context(settings: AriSettings) -> ssl.SSLContext | None:
    """Return how the service accepts connections of Asterisk; None: without TLS. Raises `SettingsError`."""
    certificate, key = settings.listen_tls_certificate, settings.listen_tls_key
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise SettingsError("only one of ari.listen_tls_certificate and ari.listen_tls_key is set: set both or neither")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ssl.SSLError) as error:
        what = "ari.listen_tls_certificate or ari.listen_tls_key"
        raise SettingsError(f"cannot use {what}: {_describe(error)}") from error
    return context


def describe_tls_error(error: Exception, settings: AriSettings) -> str:
    """Return why a connection to Asterisk failed, and what to do; "" if TLS is not the reason."""
    address = format_address(settings.host, settings.port)
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "tls_ca in [ari] must be the certificate of Asterisk or of its authority, and host a name in it"
        return f"the certificate of {address} is not accepted ({error.verify_message}): {remedy}"
    if isinstance(error, ssl.SSLError):
        return f"{address} does not speak TLS ({error.reason}): port in [ari] must be that of tlsbindaddr in http.conf"
    return ""


def _no_passphrase() -> str:
    """Without it, OpenSSL would ask for the passphrase of a key at the terminal."""
    return ""


def _describe(error: OSError) -> str:
    return (
        f"no PEM file, or not of this key ({error.reason})"
        if isinstance(error, ssl.SSLError)
        else describe_error(error)
    )
