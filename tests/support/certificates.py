"""Certificates for tests, of localhost and 127.0.0.1, signed by themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path


def create_certificate(folder: Path) -> tuple[Path, Path]:
    """Create a certificate and its key as PEM files in a folder."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", *kind, *name, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
