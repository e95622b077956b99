"""One lab: Asterisk, service, data folder, and phones to hand out, written down in a file for the tests to find."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from ivr.audio import wav
from tests.call.contract.contract_fixture import SOUND_NAMES
from tests.lab import transports
from tests.lab.asterisk_config import AGI_PROGRAMS, CONTRACT_AGI, LabConfig, SipAccount, write
from tests.lab.asterisk_root import AsteriskUnavailable, asterisk_root
from tests.lab.contract_sounds import speech_for
from tests.lab.processes import (
    ASTERISK_UID,
    SERVICE_UID,
    SHARED_GID,
    AsteriskProcess,
    ServiceProcess,
    StartFailed,
    as_service_user,
)
from tests.lab.transports import ServiceInstance
from tests.support.certificates import create_certificate
from tests.support.free_port import free_port

CHECKOUT = Path(__file__).parents[2]
ROOT = CHECKOUT / ".asterisk" / "root"
SOUNDS = CHECKOUT / "sounds"
RIVALS = CHECKOUT / ".asterisk" / "rivals"
"""What each prompt could be mistaken for (`Vocabulary`): computed once, not by each of many processes."""
PHONE_COUNT = 700
"""Each with a user and a box of its own: no test shares one with another."""
PIN = "1379"
"""Of the boxes that tests make: no box has this number, for a PIN that is its own box's is refused."""
LAB_INFO_FILE = "lab.json"
SPARE_COUNT = 30
"""Services that are not started: a test that kills one takes one for itself."""
LAG_MS = (5, 50)
"""Services whose loop is made late by so much run beside the proper one, each with data of its own."""

SUDO = "become"
ARI_CONNECT_TIMEOUT_S = 30.0
"""How long services may take to find an Asterisk that has started after them."""


@dataclass(frozen=True, slots=True)
class LabInfo:
    """What a test needs to know of the lab that it runs in."""

    folder: str
    sip_port: int
    agi_port: int
    environments: dict[str, dict[str, str]]
    """Of the service, "0", and of those that are so many ms late."""
    sip_accounts: list[dict[str, str]]
    spare_environments: list[dict[str, str]]
    """Environments of the services that tests start themselves."""
    console_command: list[str]
    """The command that reaches Asterisk's console when `-rx` is put behind it."""
    asterisk_pid: int
    rest_url: str = ""
    """Where the service speaks REST."""
    transport: str = "fastagi"
    """The transport of calls."""
    ari_tls_port: int = 0
    """Where Asterisk speaks ARI over TLS, with the certificate in the folder `tls`."""

    @classmethod
    def read(cls, path: Path) -> LabInfo:
        return cls(**json.loads(path.read_text()))


class HttpOnlyProxyProcess:
    """What stands at `port` for an Asterisk that takes no requests over a WebSocket (before_22_4.py)."""

    def __init__(self, port: int, upstream_port: int, log: Path) -> None:
        self.port = port
        self.log = log
        """What it was asked over HTTP."""
        command = ("tests.lab.http_only_proxy", str(port), str(upstream_port))
        self.service = ServiceProcess({"PYTHONPATH": str(CHECKOUT)}, log, command=command)


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node of an installation that several labs share."""

    name: str
    data: Path
    secret: str


class Lab:
    """A real Asterisk with one or more services. With `node`, it is one of several nodes.

    `sip_accounts`: the phones; None: many, for tests. `transport_mode`: the transport of calls (`TRANSPORT_MODES`).

    With `agi`, Asterisk can start `ivr-agi` even if calls use another transport by default. `storage`: settings of the
    service, as environment variables, of where rows and recordings are (`tests.lab.storage`).
    """

    def __init__(
        self,
        sip_accounts: tuple[SipAccount, ...] | None = None,
        transport_mode: str = "fastagi",
        agi: bool = False,
        node: LabNode | None = None,
        storage: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        transport = transport_mode.partition("-")[0]
        self._is_per_call = transport_mode == transports.ARI_PER_CALL
        _require_readable_checkout()
        root = asterisk_root(ROOT)
        self.folder = Path(tempfile.mkdtemp(prefix="ivr-lab-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        rtp = random.randrange(20_000, 40_000, 1000)
        is_for_tests = sip_accounts is None
        self.site = LabConfig(
            folder=self.folder,
            sip_port=free_port(socket.SOCK_DGRAM),
            rtp_ports=(rtp, rtp + 999),
            http_port=free_tcp_port(),
            https_port=free_tcp_port(),
            secret=node.secret if node else secrets.token_hex(32),
            sounds=self.folder / "sounds" / "en",
            devices=sip_accounts if sip_accounts is not None else _create_sip_accounts(),
            main_instance=self._instance("ivr", node.data if node else "data", self._is_per_call),
            lagging_instances={ms: self._instance(f"ivr-late-{ms}", f"data-late-{ms}") for ms in LAG_MS}
            if is_for_tests
            else {},
            spare_instances=tuple(
                self._instance(f"ivr-spare-{n}", f"data-spare-{n}") for n in range(SPARE_COUNT * is_for_tests)
            ),
            contract_instance=self._instance("ivr-contract", "contract", self._is_per_call) if is_for_tests else None,
            ami_port=free_tcp_port(),
            transport=transport,
            system_name=node.name if node else "",
        )
        self._http_proxy = (
            self._start_http_proxy(self.site.http_port) if transport_mode == transports.ARI_OVER_HTTP else None
        )
        self.data = self.site.main_instance.data
        self.rest_port = free_tcp_port()
        self.environment = self._environment(self.site.main_instance) | {
            "IVR_API__PORT": str(self.rest_port),
            "IVR_AMI__PORT": str(self.site.ami_port),
            "IVR_AMI__SECRET": self.site.secret,
            "IVR_NOTIFICATIONS__CALL_CONTEXT": "ivr-callback",
            **(self._node_environment(node) if node else {}),
            **storage,
        }
        self._lagging_environments = {ms: self._environment(late) for ms, late in self.site.lagging_instances.items()}
        modules = next(root.glob("usr/lib/*/asterisk/modules"))
        config = write(self.site, Path("/") / modules.relative_to(root))
        self._has_agi = agi or transport == "agi"
        self.asterisk = AsteriskProcess(
            root,
            config,
            [self.folder, *([node.data] if node else [])],
            self.folder / "asterisk.out",
            mounts_host=self._has_agi,
        )
        self.service = ServiceProcess(self.environment, self.folder / "service.log")
        self._lagging_services = [
            ServiceProcess(late, self.folder / f"service-late-{ms}.log", ms)
            for ms, late in self._lagging_environments.items()
        ]
        self._other_services = [*self._lagging_services]
        if self.site.contract_instance:
            environment = self._environment(self.site.contract_instance)
            command = ("tests.call.contract.lab_service",)
            self._other_services.append(
                ServiceProcess(environment, self.folder / "service-contract.log", command=command)
            )
        if self._http_proxy:
            self._other_services.append(self._http_proxy.service)
        self._make_folders()
        self._copy_sounds()
        if self._has_agi:
            self._install_agi_program(root)

    def start(self) -> None:
        """Start both, and wait until calls find their way. Raises `StartFailed`."""
        with ThreadPoolExecutor() as at_once:
            services = (service.start for service in (self.service, *self._other_services))
            starting = [at_once.submit(start) for start in (self.asterisk.start, *services)]
        for started in starting:
            started.result()
        self._wait_for_ari()

    def stop(self) -> None:
        """End both."""
        self.asterisk.stop()
        (self.folder / AGI_PROGRAMS / SUDO).unlink(missing_ok=True)
        for service in (self.service, *self._other_services):
            service.stop()

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def info(self) -> LabInfo:
        """What tests need to know."""
        return LabInfo(
            str(self.folder),
            self.site.sip_port,
            self.site.main_instance.port,
            {"0": self.environment, **{str(ms): late for ms, late in self._lagging_environments.items()}},
            [asdict(device) for device in self.site.devices],
            [self._environment(spare) for spare in self.site.spare_instances],
            self.asterisk.console_command(),
            self.asterisk.pid,
            f"http://127.0.0.1:{self.rest_port}",
            self.site.transport,
            self.site.https_port,
        )

    def write_info(self) -> Path:
        """Write down what tests need to know; gives the file."""
        path = self.folder / LAB_INFO_FILE
        path.write_text(json.dumps(asdict(self.info)))
        return path

    def temporary_folder(self) -> Path:
        """One that only the service's user has, for its TMPDIR."""
        folder = self.folder / "tmp"
        folder.mkdir(mode=0o700)
        os.chown(folder, SERVICE_UID, SHARED_GID)
        return folder

    def run_ivr(self, *words: str) -> str:
        """What `ivr` says to an administrator who is the service's user. Raises CalledProcessError."""
        command = [sys.executable, "-m", "ivr", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, **as_service_user(self.environment))
        return str(done.stdout)

    def _instance(self, name: str, data: str | Path, is_dialled: bool = False) -> ServiceInstance:
        return ServiceInstance(name, free_tcp_port(), self.folder / data, free_tcp_port() if is_dialled else 0)

    def _start_http_proxy(self, http_port: int) -> HttpOnlyProxyProcess:
        return HttpOnlyProxyProcess(free_tcp_port(), http_port, self.folder / "before-22.4.log")

    def _environment(self, instance: ServiceInstance) -> dict[str, str]:
        return {
            **transports.service_environment(
                instance, self._http_proxy.port if self._http_proxy else self.site.http_port, self.site.secret
            ),
            "IVR_API__PORT": "0",
            "IVR_ASTERISK__SECRET": self.site.secret,
            "IVR_ASTERISK__USER": str(ASTERISK_UID),  # As in a container: this machine does not know that user.
            "IVR_VOICEMAIL__CALLBACK_CONTEXT": "ivr-callback",
            "IVR_VOICEMAIL__OPERATOR_CONTEXT": "ivr-operator",
            "IVR_VOICEMAIL__HUNT_CONTEXT": "ivr-hunt",
            "IVR_PINS__BCRYPT_COST": "4",
            "IVR_LOG__LEVEL": "debug",
            "IVR_SOUNDS__FOLDER": str(SOUNDS),
            "PYTHONPATH": str(CHECKOUT),
        }

    def _node_environment(self, node: LabNode) -> dict[str, str]:
        return {
            "IVR_NODE__NAME": node.name,
            "IVR_NODE__FOLDER": str(self.site.takes_folder.parent),
            "IVR_ASTERISK__SYSTEM_NAME": node.name,
        }

    def _make_folders(self) -> None:
        """As the README has an administrator make them: data of the service's user, in a group with Asterisk's."""
        for name in ("run", "spool", "db", "log"):  # Settings are root's: root reads no others.
            os.chown(self.folder / name, ASTERISK_UID, SHARED_GID)
        self.site.tls_folder.mkdir()
        for path in create_certificate(self.site.tls_folder):
            path.chmod(0o644)  # Also for the user of the service, which shows it where Asterisk connects.
        os.chown(self.folder / "etc" / "ivr" / "secret.conf", ASTERISK_UID, SHARED_GID)
        late = [Path(environment["IVR_DATA__FOLDER"]) for environment in self._lagging_environments.values()]
        contract = [self.site.contract_instance.data] if self.site.contract_instance else []
        main = {self.data, self.site.takes_folder.parent}
        for data in (*main, *late, *contract, *(spare.data for spare in self.site.spare_instances)):
            data.mkdir(mode=0o2750, exist_ok=True)
            os.chown(data, SERVICE_UID, SHARED_GID)
            data.chmod(0o2750)

    def _wait_for_ari(self) -> None:
        """Services that are there before Asterisk find it after a while."""
        for instance in (
            self.site.main_instance,
            *self.site.lagging_instances.values(),
            *([self.site.contract_instance] if self.site.contract_instance else []),
        ):
            if not transports.wait_for_ari_application(
                instance.own_application, self.asterisk.console_command(), ARI_CONNECT_TIMEOUT_S
            ):
                raise StartFailed(f"the service {instance.name} has not connected to ARI; its log says why")

    def _install_agi_program(self, root: Path) -> None:
        """Where Asterisk looks for it; the main service's data is its data too."""
        folder = self.folder / AGI_PROGRAMS
        folder.mkdir()
        self._install_sudo(root, folder / SUDO)
        self._install_script(folder / "ivr-agi", str(Path(sys.executable).with_name("ivr-agi")), self.environment)
        if self.site.contract_instance:
            program = f"{sys.executable} -m tests.call.contract.lab_service"
            self._install_script(folder / CONTRACT_AGI, program, self._environment(self.site.contract_instance))

    def _install_sudo(self, root: Path, at: Path) -> None:
        """What lets a program of Asterisk become the service's user and leave the root: a chroot(8) with root's rights.

        For Asterisk's group, and for as long as the lab is up.
        """
        at.touch(mode=0)
        os.chown(at, 0, SHARED_GID)
        at.write_bytes((root / "usr/sbin/chroot").read_bytes())
        at.chmod(0o4750)

    def _install_script(self, script: Path, program: str, settings: dict[str, str]) -> None:
        environment: dict[str, str] = as_service_user(settings)["env"]
        log = self.folder / "agi.log"
        log.touch()
        log.chmod(0o666)
        user = (SERVICE_UID, SHARED_GID)
        become = f"{script.parent / SUDO} --userspec={user[0]}:{user[1]} --groups= {self.asterisk.host_folders}"
        script.write_text(transports.agi_wrapper_script(environment, program, become, log))
        os.chown(script, ASTERISK_UID, SHARED_GID)
        script.chmod(0o550)

    def _copy_sounds(self) -> None:
        """The dialplan's own prompts, where Asterisk can read them whatever the rights of this checkout."""
        shutil.copytree(SOUNDS / "en", self.site.sounds)
        if self.site.contract_instance:
            for name in SOUND_NAMES:
                wav.write(self.site.contract_instance.data / f"{name}.wav", speech_for(name).tobytes())
                (self.site.contract_instance.data / f"{name}.wav").chmod(0o644)


def _require_readable_checkout() -> None:
    """Raise `AsteriskUnavailable` if the service's user cannot read the checkout, as in the home folder of root."""
    probe = [sys.executable, "-c", f"import ivr.app, typer; assert ivr.__file__.startswith({str(CHECKOUT)!r})"]
    try:
        subprocess.run(probe, check=True, capture_output=True, **as_service_user({"PYTHONPATH": str(CHECKOUT)}))
    except (OSError, subprocess.CalledProcessError) as error:
        raise AsteriskUnavailable(
            f"the service runs as a user of its own, who cannot run {sys.executable} in {CHECKOUT}: move the checkout "
            "to where everybody may read it, such as /opt, and make it there with the system's Python"
        ) from error


def _create_sip_accounts() -> tuple[SipAccount, ...]:
    numbers = (str(1000 + n) for n in range(PHONE_COUNT))
    return tuple(SipAccount(f"p{number[1:]}", secrets.token_hex(8), number) for number in numbers if number != PIN)


def free_tcp_port() -> int:
    """A port without a listener."""
    return free_port()
