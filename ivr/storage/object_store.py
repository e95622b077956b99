"""Objects in a bucket of S3, or of a store that speaks its protocol; errors say what to do.

All methods wait for the network: call them in a worker thread. They raise `StoreError`.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import obstore
from obstore import exceptions
from obstore.store import S3Store

from ivr.clock import SET_CLOCK
from ivr.errors import NotFound, SettingsError, StoreError, describe_error
from ivr.storage.settings import AudioSettings

if TYPE_CHECKING:
    from obstore.store import S3Config

LONG_TRANSFER_BYTES = 2**20
"""A larger object has more time."""
LONG_TRANSFER_FACTOR = 12
MAX_RETRIES = 2
SLOW_PART = 5
"""A store that needs more than this part of the time that is waited for it is told as slow."""
LIST_CHUNK = 1000
UNUSED_PREFIX = "check-of-ivr"
UNSIGNED_SUFFIX = "-unsigned"
REFUSED = re.compile(r"status code: 40[13]\b")
FAULTS = (
    (
        r"RequestTimeTooSkewed|RequestExpired",
        f"refuses the time of this machine: {SET_CLOCK}",
    ),
    (r"AuthorizationHeaderMalformed|incorrectly configured region", "is in another region: correct audio.region"),
    (r"status code: 507|Quota\w*Exceeded|StorageFull", "has no space left: free space in the object store"),
)
"""What the text of an error means, and what to do, where starting the store or another endpoint does not help."""
TRANSPORT_REASONS = {
    "ConnectionRefused": "connection refused",
    "dns error": "unknown host name",
    "kind: Timeout": "no answer in time",
    "InvalidContentType": "no TLS at this port",
    "certificate": "its certificate is not trusted",
}
"""What each part of the library's description of a request that failed means."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object."""

    key: str
    size: int
    changed_at: float
    """Unix seconds."""


class ObjectStore:
    """The objects below one prefix of a bucket. Keys are relative to it."""

    def __init__(self, settings: AudioSettings) -> None:
        self._name = settings.store
        self._settings = settings
        self._store = _connect(settings, settings.within_s)
        self._patient_store = _connect(settings, settings.within_s * LONG_TRANSFER_FACTOR)

    @property
    def name(self) -> str:
        """The bucket and the prefix, as `s3://bucket/prefix`."""
        return self._name

    def create(self, key: str, content: bytes) -> bool:
        """Store an object, unless there is one of that name. Return whether it was stored."""
        with self._translate_errors():
            try:
                obstore.put(self._store_for(len(content)), key, content, mode="create", use_multipart=False)
            except exceptions.AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, content: bytes) -> None:
        """Store an object, maybe in the place of another one."""
        with self._translate_errors():
            obstore.put(self._store_for(len(content)), key, content, use_multipart=False)

    def copy(self, key: str, new_key: str) -> int:
        """Copy an object without moving its bytes through this process. Return its size. Raises `NotFound`."""
        with self._translate_errors():
            obstore.copy(self._patient_store, key, new_key)
        return self.size(new_key)

    def size(self, key: str) -> int:
        """Return the size of an object in bytes. Raises `NotFound`."""
        with self._translate_errors():
            return obstore.head(self._store, key)["size"]

    def exists(self, key: str) -> bool:
        """Return whether there is such an object."""
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    def chunks(self, key: str) -> Iterator[bytes]:
        """Yield the content of an object. Raises `NotFound`."""
        with self._translate_errors():
            response = obstore.get(self._store, key)
            size = response.meta["size"]
            if size > LONG_TRANSFER_BYTES:
                response = obstore.get(self._patient_store, key)
            received = 0
            for chunk in response:
                received += len(chunk)
                yield bytes(chunk)
        if received != size:
            raise StoreError(f"{self._name} ended the transfer of {key} after {received} of {size} bytes")

    def presign(self, key: str, method: Literal["GET", "HEAD"], lifetime_s: int) -> str:
        """Return a URL that answers this method without the key, for a time. The object may not exist."""
        with self._translate_errors():
            return obstore.sign(self._store, method, key, timedelta(seconds=lifetime_s))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, if they exist, with one request."""
        try:
            with self._translate_errors():
                obstore.delete(self._store, keys)
        except NotFound:
            return  # Some stores say so.

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects below a prefix in the order of their keys; `after`: only those behind this key."""
        with self._translate_errors():
            for chunk in obstore.list(self._store, prefix, offset=after or None, chunk_size=LIST_CHUNK):
                for meta in chunk:
                    yield ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def verify(self) -> None:
        """Return if the bucket answers. Raises `StoreError`, which says what to do."""
        with self._translate_errors():
            obstore.list_with_delimiter(self._store, UNUSED_PREFIX)

    def verify_writing(self) -> None:
        """Return if objects are stored, read and deleted, never overwritten by mistake, and only with the key.

        Raises `StoreError`.
        """
        key, content = f"{UNUSED_PREFIX}/{secrets.token_hex(16)}", b"ivr"
        self.create(key, content)
        try:
            if self.create(key, content):
                raise StoreError(
                    f"{self._name} ignores If-None-Match: use a store that keeps objects from being replaced"
                )
            began_s = time.monotonic()
            if b"".join(self.chunks(key)) != content:
                raise StoreError(f"{self._name} returns other content than was stored: use another store")
            took_s = time.monotonic() - began_s
            self._verify_private(key)
            if took_s > self._settings.within_s / SLOW_PART:
                raise StoreError(
                    f"{self._name} is slow ({took_s:.1f} s to read three bytes): look at its load and its disks, and at"
                    " the network to it"
                )
        finally:
            self.delete([key, key + UNSIGNED_SUFFIX])

    def _verify_private(self, key: str) -> None:
        """Return if the store refuses to read an object, to list and to write without a signature."""
        store = _connect(self._settings, self._settings.within_s, signed=False)
        requests: dict[str, Callable[[], object]] = {
            "read": lambda: obstore.get(store, key),
            "list": lambda: obstore.list_with_delimiter(store, UNUSED_PREFIX),
            "write": lambda: obstore.put(store, key + UNSIGNED_SUFFIX, b"ivr", use_multipart=False),
        }
        for verb, request in requests.items():
            try:
                request()
            except (exceptions.BaseError, FileNotFoundError):
                continue
            raise StoreError(f"the bucket of {self._name} lets everybody {verb} recordings: make it private")

    def _store_for(self, size: int) -> S3Store:
        return self._patient_store if size > LONG_TRANSFER_BYTES else self._store

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (exceptions.BaseError, FileNotFoundError) as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> StoreError | NotFound:
        text = str(error)
        if "NoSuchBucket" in text:
            return StoreError(f"the bucket of {self._name} does not exist: create it, or correct audio.store")
        if isinstance(error, exceptions.NotFoundError | FileNotFoundError):
            return NotFound("the recording does not exist")
        for pattern, fault in FAULTS:
            if re.search(pattern, text):
                return StoreError(f"{self._name} {fault}")
        refusals = exceptions.PermissionDeniedError | exceptions.UnauthenticatedError
        if isinstance(error, refusals) or REFUSED.search(text):  # An error of a list has no type of its own.
            return StoreError(
                f"{self._name} refuses the key: correct audio.access_key_id and its secret, and let the key read,"
                " list, write and delete in the bucket"
            )
        what = f"{self._name} does not answer as it should ({_reason(text)})"
        return StoreError(f"{what}: start the object store, or correct audio.endpoint")


def _connect(settings: AudioSettings, timeout_s: float, *, signed: bool = True) -> S3Store:
    endpoint = str(settings.endpoint).rstrip("/") if settings.endpoint else ""
    bucket, _, prefix = settings.store.removeprefix("s3://").partition("/")
    config: S3Config = {"region": settings.region, "virtual_hosted_style_request": not settings.path_style}
    if endpoint:
        config["endpoint"] = endpoint
    if not signed:
        config["skip_signature"] = True
    elif settings.access_key_id:
        config["access_key_id"] = settings.access_key_id
        config["secret_access_key"] = _secret(settings)
    elif endpoint and "AWS_ACCESS_KEY_ID" not in os.environ:
        # The library would ask the machine's link-local address for the role that AWS gives to its own machines.
        raise SettingsError("audio.endpoint needs a key: set audio.access_key_id and audio.secret_access_key_file")
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={
            "allow_http": endpoint.startswith("http:"),
            "timeout": timedelta(seconds=timeout_s),
            "connect_timeout": timedelta(seconds=min(timeout_s, settings.within_s)),
        },
        retry_config={
            "max_retries": MAX_RETRIES,
            "retry_timeout": timedelta(seconds=timeout_s),
            "backoff": {
                "init_backoff": timedelta(milliseconds=50),
                "max_backoff": timedelta(seconds=1),
                "base": 2,
            },
        },
    )


def _secret(settings: AudioSettings) -> str:
    """Return the secret of the key. Raises `SettingsError`."""
    if path := settings.secret_access_key_file:
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            what = f"audio.secret_access_key_file cannot be read ({describe_error(error)})"
            raise SettingsError(f"{what}: correct its path, or let the user of the service read it") from error
    if not settings.secret_access_key:
        raise SettingsError("audio.access_key_id has no secret: set audio.secret_access_key_file")
    return settings.secret_access_key


def _reason(text: str) -> str:
    """Return what an error of the library says, without the request and without markup."""
    if code := re.search(r"<Code>(\w+)</Code>", text):
        return code[1]
    for part, reason in TRANSPORT_REASONS.items():
        if part in text:
            return reason
    return text.strip().splitlines()[0].rpartition(" - ")[2][:200].rstrip(": ")
