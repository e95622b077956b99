"""What is wrong with the running service, the certificate of its REST API, or its unit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.doctor.broken_site import IS_ROOT, SERVICE_GROUP, SERVICE_USER, BrokenSite
from tests.doctor.cases.case import Case, Step, move, write


def unreachable_service(site: BrokenSite) -> None:
    """Nothing listens where the settings say; after `systemctl start ivr` something does."""
    ports = dict(site.sections["fastagi"]), dict(site.sections["api"])
    site.write_config(fastagi={"port": 9}, api={"port": 9})
    site.set_global("IVR_FASTAGI_ADDRESS", "127.0.0.1:9")

    def start() -> None:
        site.write_config(fastagi=ports[0], api=ports[1])
        site.set_global("IVR_FASTAGI_ADDRESS", f"127.0.0.1:{ports[0]['port']}")

    site.effects["systemctl start ivr"] = start


def service_says(**readiness: object) -> Step:
    def damage(site: BrokenSite) -> None:
        site.say_ready(**readiness)
        site.effects["systemctl restart ivr"] = site.say_ready

    return damage


def unit_is(remedy: str, **properties: str) -> Step:
    """systemd says this of the unit, until a command is run."""

    def damage(site: BrokenSite) -> None:
        site.set_unit(**properties)
        site.effects[remedy] = site.set_unit

    return damage


def socket_on_former_port(unit_file: str) -> Step:
    """systemd holds REST and the port of FastAGI before it was changed in ivr.toml."""

    def damage(site: BrokenSite) -> None:
        rest, fastagi = (f"127.0.0.1:{site.sections[section]['port']} (Stream)" for section in ("api", "fastagi"))
        held = {"FragmentPath": unit_file, "Listen": f"127.0.0.1:4572 (Stream)\nListen={rest}"}
        site.set_unit(**held)
        site.effects["systemctl start ivr"] = lambda: site.set_unit(**held | {"Listen": f"{rest}\nListen={fastagi}"})

    return damage


def data_folder_of_another_user(site: BrokenSite) -> None:
    """Copied from a machine where the user has another number."""
    site.set_unit(User=str(SERVICE_USER))
    for path in (site.data, *site.data.rglob("*")):
        os.chown(path, SERVICE_USER + 1, -1)


def unit_missing(site: BrokenSite) -> None:
    unreachable_service(site)
    start = site.effects["systemctl start ivr"]

    def enable() -> None:
        site.set_unit()
        start()

    site.set_unit(LoadState="not-found", ActiveState="inactive", UnitFileState="")
    site.effects["ivr install"] = lambda: site.set_unit(ActiveState="inactive", UnitFileState="disabled")
    site.effects["systemctl enable --now ivr"] = enable


def tls(days: int = 90, *further: Step) -> Step:
    """The REST API has a certificate for so many days, its key belongs to the service, and then this happens."""

    def damage(site: BrokenSite) -> None:
        make_certificate(site, days=days)
        certificate, key = (site.folder / "etc" / "tls" / f"{name}.pem" for name in ("cert", "key"))
        site.service.presents(certificate, key)
        site.write_config(
            health={"port": site.service.rest.server_address[1]},  # The page /readyz of the test speaks HTTP.
            api={
                "tls_certificate": str(certificate), "tls_key": str(key),
                "port": site.service.tls.server_address[1],
            },
        )  # fmt: skip
        for step in further:
            step(site)

    return damage


def make_certificate(site: BrokenSite, name: str = "", days: int = 90) -> None:
    folder = site.folder / "etc" / "tls"
    folder.mkdir(exist_ok=True)
    key, request, certificate = (str(folder / f"{name}{end}") for end in ("key.pem", "request.pem", "cert.pem"))
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    for line in (
        ["openssl", "req", *new, "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-out", certificate],
    ):
        subprocess.run(line, check=True, capture_output=True)
    os.chmod(key, 0o640)
    if IS_ROOT:
        os.chown(key, -1, SERVICE_GROUP)


def present_former_certificate(site: BrokenSite) -> None:
    """The certificate was renewed, and the service was not restarted."""
    folder = site.folder / "etc" / "tls"
    make_certificate(site, "former")
    site.service.presents(folder / "formercert.pem", folder / "formerkey.pem")
    restarted = folder / "cert.pem", folder / "key.pem"
    site.effects["systemctl restart ivr"] = lambda: site.service.presents(*restarted)


def serve_without_tls(site: BrokenSite) -> None:
    """The certificate was set, and the service was not restarted."""
    site.write_config(api={"port": site.service.rest.server_address[1]})
    site.effects["systemctl restart ivr"] = lambda: site.write_config(api={"port": site.service.tls.server_address[1]})


def chown_key_to_root(site: BrokenSite) -> None:
    os.chown(site.folder / "etc" / "tls" / "key.pem", 0, 0)


def unset_key(site: BrokenSite) -> None:
    del site.sections["api"]["tls_key"]
    site.write_config()


def encrypt_key(site: BrokenSite) -> None:
    """The key has a passphrase, which is typed when openssl asks for it."""
    key = site.folder / "etc" / "tls" / "key.pem"
    line = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:word", "-out", f"{key}.new"]
    subprocess.run(line, check=True, capture_output=True)
    key.write_bytes(key.with_name("key.pem.new").read_bytes())
    program = site.folder / "bin" / "openssl"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("openssl")} "$@" -passin pass:word\n')
    program.chmod(0o755)


def renewed(end: str) -> Callable[[BrokenSite], Path]:
    """Return a file of a certificate that was made meanwhile."""

    def make(site: BrokenSite) -> Path:
        path = site.folder / "etc" / "tls" / f"renewed{end}.pem"
        if not path.exists():
            make_certificate(site, "renewed")
        return path

    return make


ANOTHER_PAIR = {"CERTIFICATE": renewed("cert"), "KEY": renewed("key")}


CASES: dict[str, Case] = {
    # -- the service
    "service stopped": Case(unreachable_service, "service", "no connection to 127.0.0.1:9"),
    "another program on the port": Case(
        lambda site: site.service.answers(b"SSH-2.0-OpenSSH\r\n"),
        "service",
        "is used by another program",
        {"PORT": lambda site: site.service.spare_fastagi.server_address[1]},
    ),
    "service of an earlier version": Case(service_says(version="0.0.1"), "service", "version 0.0.1 still runs"),
    "service on another folder": Case(service_says(data_folder=[1, 2]), "service", "works with another folder"),
    "service not ready": Case(service_says(failing=["database"]), "service", "is not ready: database"),
    # -- TLS of the REST API
    "TLS certificate missing": Case(
        tls(90, move("etc/tls/cert.pem", "aside.pem")),
        "REST TLS",
        "does not exist",
        ANOTHER_PAIR,
    ),
    "TLS key missing": Case(
        tls(90, move("etc/tls/key.pem", "aside.pem")),
        "REST TLS",
        "does not exist",
        ANOTHER_PAIR,
    ),
    "TLS key not set": Case(
        tls(90, unset_key),
        "REST TLS",
        "tls_certificate is set, but tls_key is not",
    ),
    "TLS key of root": Case(
        tls(90, chown_key_to_root), "REST TLS", "the user of the service cannot read", as_root=True
    ),
    "TLS folder closed": Case(
        tls(90, lambda site: (site.folder / "etc" / "tls").chmod(0o700)),
        "REST TLS",
        "because of a folder above it",
        as_root=True,
    ),
    "TLS key readable by all": Case(
        tls(90, chown_key_to_root, lambda site: (site.folder / "etc" / "tls" / "key.pem").chmod(0o644)),
        "REST TLS",
        "every user can read",
        as_root=True,
    ),
    "TLS key of another certificate": Case(
        tls(90, lambda site: make_certificate(site, "other"), move("etc/tls/otherkey.pem", "etc/tls/key.pem")),
        "REST TLS",
        "does not belong to the certificate",
        ANOTHER_PAIR,
    ),
    "TLS key with a passphrase": Case(
        tls(90, encrypt_key),
        "REST TLS",
        "needs a passphrase",
    ),
    "TLS certificate is no PEM": Case(
        tls(90, write("etc/tls/cert.pem", "x")), "REST TLS", "in PEM format", ANOTHER_PAIR
    ),
    "TLS certificate renewed without a restart": Case(
        tls(90, present_former_certificate), "REST TLS", "presents another certificate than"
    ),
    "TLS set without a restart": Case(tls(90, serve_without_tls), "REST TLS", "does not speak TLS"),
    "TLS certificate expired": Case(tls(0), "REST TLS", "clients reject it", ANOTHER_PAIR),
    "TLS certificate expires soon": Case(tls(29), "REST TLS", "expires on", ANOTHER_PAIR),
    # -- systemd
    "unit missing": Case(unit_missing, "unit", "systemd has no ivr.service"),
    "unit masked": Case(unit_is("systemctl enable --now ivr", LoadState="masked"), "unit", "is masked"),
    "data folder of another user than the unit's": Case(
        data_folder_of_another_user, "unit", "belongs to user 61003: the service cannot use it", as_root=True
    ),
    "socket on a former port": Case(
        socket_on_former_port("/etc/systemd/system/ivr.socket"), "socket", "ivr.socket holds 127.0.0.1:4572"
    ),
    "unit with an error": Case(
        unit_is("systemctl edit --full ivr", LoadState="bad-setting"),
        "unit",
        "cannot read ivr.service (bad-setting)",
    ),
    "unit failed": Case(
        unit_is("systemctl restart ivr", ActiveState="failed", Result="exit-code"), "unit", "has failed (exit-code)"
    ),
    "unit changed": Case(
        unit_is("systemctl restart ivr", NeedDaemonReload="yes"), "unit", "changed since systemd read"
    ),
    "unit not enabled": Case(
        unit_is("systemctl enable ivr", UnitFileState="disabled"), "unit", "does not start with the machine"
    ),
}
