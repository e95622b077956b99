"""A whole site in a folder: data, settings, a service that answers, and an Asterisk whose console is a shell script."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import socketserver
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from ivr import __version__
from ivr.doctor.asterisk import REQUIRED_MODULES
from ivr.install.asterisk_start import AsteriskStart
from ivr.prompts.catalogue import Catalogue
from tests.doctor.conftest import DIALPLAN_CHECK
from tests.support.all_commands import command
from tests.support.app_fixture import SOUNDS
from tests.support.fake_ami_server import FakeAmiServer

SERVICE_USER, SERVICE_GROUP = 61002, 61000
IS_ROOT = os.geteuid() == 0

CONSOLE = """#!/bin/sh
# The console of Asterisk: asterisk -rx COMMAND
here=@FOLDER@/asterisk
echo "asterisk $2" >>"$here/../commands"
[ -e "$here/down" ] && { echo "Unable to connect to remote asterisk" >&2; exit 1; }
case "$2" in
"core show version") exec cat "$here/version" ;;
"module show") exec cat "$here/modules" ;;
"module load "*) printf '%-30s x 0 Running core\\n' "${2#module load }" >>"$here/modules" ;;
"dialplan reload") cp "$here/ivr/secret.conf" "$here/loaded.conf" ;;
"dialplan show globals") exec sed -n 's/^ *\\([A-Z_]*\\) *=> *\\(.*\\)$/   \\1=\\2/p' "$here/loaded.conf" ;;
"dialplan show") exec cat "$here"/contexts/* ;;
"dialplan show "*)
    [ -e "$here/contexts/${2#dialplan show }" ] && exec cat "$here/contexts/${2#dialplan show }"
    echo "There is no existence of '${2#dialplan show }' context" ;;
"pjsip show endpoints") exec cat "$here/endpoints" ;;
"manager show settings") [ -e "$here/manager" ] && exec cat "$here/manager" ;;
"http show status") [ -e "$here/http" ] && exec cat "$here/http" ;;
"file convert "*)
    eval "set -- $2"
    [ -e "$here/cannot-convert" ] && { echo "No such command 'file convert'"; exit; }
    case "$3" in @FOLDER@/data/*) [ -e "$here/cannot-read" ] && { echo "Unable to open input file: $3"; exit; } ;; esac
    [ -e "$here/cannot-write" ] && { echo "Unable to open output file: $4"; exit; }
    if [ -r "$3" ]; then cp "$3" "$4" && chmod 640 "$4" && echo Converted; else echo "Unable to open input file"; fi ;;
esac
"""
ENDPOINT = """ Endpoint:  {name:<52} Unavailable   0 of inf
     InAuth:  {name}/{name}
        Aor:  {name:<50} 5
"""


SKIPPED = b"SET VARIABLE IVR_STATUS SKIPPED\n"


class _FastAgi(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(self.server.response)  # type: ignore[attr-defined]


class _Readiness(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(self.server.readiness).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Tls(socketserver.BaseRequestHandler):
    """Presents the certificate whose files `certificate` of its server names now."""

    def handle(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with suppress(OSError):  # Files that a test has broken.
            context.load_cert_chain(*self.server.certificate)  # type: ignore[attr-defined]
            context.wrap_socket(self.request, server_side=True).close()


class FakeService:
    """The ports of the service: FastAGI, and the page /readyz of its REST port."""

    def __init__(self) -> None:
        self.fastagi = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _FastAgi)
        self.spare_fastagi = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _FastAgi)
        self.spare_fastagi.response = SKIPPED  # type: ignore[attr-defined]
        self.rest = HTTPServer(("127.0.0.1", 0), _Readiness)
        self.tls = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tls)
        self.ami = FakeAmiServer()
        self._loop = asyncio.new_event_loop()
        self._loop_thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._loop_thread.start()
        self.in_loop(self.ami.start())
        for server in (self.fastagi, self.spare_fastagi, self.rest, self.tls):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.answers()

    def answers(self, response: bytes = SKIPPED) -> None:
        self.fastagi.response = response  # type: ignore[attr-defined]

    def is_ready(self, **readiness: Any) -> None:
        self.rest.readiness = {"checks": {}, "failing": [], **readiness}  # type: ignore[attr-defined]

    def presents(self, certificate: Path, key: Path) -> None:
        """Present this certificate at the port of `tls`."""
        self.tls.certificate = (certificate, key)  # type: ignore[attr-defined]

    def in_loop(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something in the event loop of the manager interface."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        self.in_loop(self.ami.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._loop_thread.join()
        self._loop.close()
        for server in (self.fastagi, self.spare_fastagi, self.rest, self.tls):
            server.shutdown()
            server.server_close()


class BrokenSite:
    """One site. Its commands find `systemctl`, `asterisk`, `ivr` and others in `bin`, which log what they are asked.

    `ivr` has this process do it: to start another Python for each would cost more than all else.

    `effects`: what a command does here, by the line that it logs.
    """

    def __init__(self, folder: Path, template: Path, service: FakeService) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "etc" / "ivr.toml"
        self.asterisk = folder / "asterisk"
        self.service = service
        self.object_store = ""
        """Its address, where recordings are in one."""
        self.stack = ExitStack()
        """What is held until the end of the test, or until a remedy ends it."""
        self.effects: dict[str, Callable[[], object]] = {}
        self.sections: dict[str, dict[str, Any]] = {
            "data": {"folder": str(self.data), "fsync": False, "busy_timeout_ms": 50},
            "pins": {"bcrypt_cost": 4},
            "fastagi": {"port": service.fastagi.server_address[1]},
            "api": {"port": service.rest.server_address[1]},
            "asterisk": {"console_command": shlex.quote(str(folder / "bin" / "asterisk"))},
            "sounds": {"folder": str(folder / "sounds")},
            "ami": {"port": service.ami.port, "secret": "word"},
        }
        shutil.copytree(template, self.data)
        (folder / "sounds").mkdir()
        (folder / "sounds" / "en").symlink_to(SOUNDS / "en")  # One language: the others cost most of a run.
        self.config.parent.mkdir()
        self.write_config()
        self._create_asterisk()
        self._create_programs()
        for path in (self.data, *self.data.rglob("*")):
            if IS_ROOT:
                os.chown(path, SERVICE_USER, SERVICE_GROUP)
        self.data.chmod(0o2750)
        (self.data / "takes").chmod(0o2770)
        if IS_ROOT:
            os.chown(self.config, 0, SERVICE_GROUP)
        self.service.answers()
        self.say_ready()

    def say_ready(self, **changes: Any) -> None:
        """Let the service say at /readyz that it is ready, with these differences."""
        status = self.data.stat()
        known = {"version": __version__, "data_folder": [status.st_dev, status.st_ino]}
        self.service.is_ready(**{**known, **changes})

    def write_config(self, **sections: Mapping[str, Any]) -> None:
        """Write ivr.toml, with these settings changed."""
        for name, values in sections.items():
            self.sections.setdefault(name, {}).update(values)
        lines = []
        for name, values in self.sections.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o640)

    def set_global(self, name: str, value: str) -> None:
        """Set a global variable of the dialplan, as a site that has edited its file and loaded it."""
        text = (self.asterisk / "ivr" / "secret.conf").read_text()
        kept_lines = [line for line in text.splitlines() if not line.startswith(f"{name} ")]
        self._write_globals("\n".join([*kept_lines, f"{name} => {value}"]) + "\n")

    def set_unit(self, **changes: str) -> None:
        """Let systemd say of ivr.service that it runs, with these differences."""
        healthy = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
        (self.folder / "unit").write_text("".join(f"{name}={value}\n" for name, value in (healthy | changes).items()))

    def change_row(self, sql: str, *values: object) -> None:
        """Change the database as another program would."""
        connection = sqlite3.connect(self.data / "state" / "ivr.db")
        connection.execute(sql, values)
        connection.commit()
        connection.close()

    def findings(self) -> list[dict[str, Any]]:
        """Run `ivr doctor` and return what it finds, but for what is ok."""
        result = CliRunner().invoke(command, ["doctor", "--json"])
        assert not re.search(r"Traceback|Errno|<urlopen", result.output), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return [finding for finding in json.loads(result.stdout) if finding["level"] != "ok"]

    def state(self) -> list[tuple[str, int, int]]:
        """Return the files of the site, but for those that SQLite creates when it reads, with mode and owner."""
        return [
            (str(path), path.lstat().st_mode, path.lstat().st_uid)
            for path in sorted(self.folder.rglob("*"))
            if not path.name.startswith("ivr.db-")
        ]

    def documented(self, finding: dict[str, Any], what: str) -> str:
        """Return the cells that document a finding, with the paths and ports of an installed service."""
        remedy = f"`{finding['command']}`" if finding["command"] else finding["remedy"]
        usual_ports = {
            self.service.fastagi.server_address[1]: 4573,
            self.service.ami.port: 5038,
            self.service.rest.server_address[1]: 8088,
        }
        for port, usual_port in usual_ports.items():
            remedy = remedy.replace(str(port), str(usual_port))
        usual_folders = {
            self.data: "/var/lib/ivr", self.config.parent: "/etc/ivr",
            self.folder / "sounds": "/opt/ivr/share/ivr/sounds",
        }  # fmt: skip
        remedy = remedy.replace(f"chown -R {SERVICE_USER} ", "chown -R ivr ")
        for folder, usual in usual_folders.items():
            remedy = re.sub(rf"'?{re.escape(str(folder))}([^' ;\"|]*)'?", rf"{usual}\1", remedy)
        return f"`{finding['check']}`: {what} | {remedy}".replace("|", "\\|").replace(" \\| ", " | ", 1)

    def printed(self) -> str:
        """Run `ivr doctor` and return what it prints."""
        return CliRunner().invoke(command, ["doctor"]).stdout

    def run_as_printed(self, line: str) -> None:
        """Run a command in a shell. /etc/asterisk is the folder of this site."""
        with subprocess.Popen(
            ["sh", "-ec", re.sub(r"/etc/asterisk(?=/)", shlex.quote(str(self.asterisk)), line)],
            env={**os.environ, "EDITOR": "editor", "PATH": f"{self.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as shell:  # fmt: skip
            assert shell.stdin
            with suppress(BrokenPipeError):  # Of a command that reads nothing and has ended.
                shell.stdin.write("\n")
                shell.stdin.close()
            printed = self._run_ivr_for(shell)
            assert shell.wait() == 0, f"{line}: {printed}{shell.stdout and shell.stdout.read()}"
        for logged in (self.folder / "commands").read_text().splitlines():
            self.effects.get(logged, lambda: None)()

    def _run_ivr_for(self, shell: subprocess.Popen[str]) -> str:
        """Run each `ivr` of a shell in this process, until the shell ends. Return what they print."""
        requests, answers, printed = self.folder / "ivr-requests", self.folder / "ivr-answers", ""
        ended = threading.Thread(target=lambda: shell.wait() is None or requests.write_text(""))
        ended.start()
        while words := requests.read_text().splitlines():
            result = CliRunner().invoke(command, words)
            printed += result.output
            answers.write_text(f"{result.exit_code}\n")
        ended.join()
        return printed

    @contextmanager
    def locked_database(self) -> Iterator[None]:
        connection = sqlite3.connect(self.data / "state" / "ivr.db", isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
        connection.close()

    def _create_asterisk(self) -> None:
        (self.asterisk / "ivr").mkdir(parents=True)
        (self.asterisk / "contexts").mkdir()
        (self.asterisk / "contexts" / "ivr-check").write_text(DIALPLAN_CHECK)
        (self.asterisk / "version").write_text("Asterisk 22.10.1 built by root\n")
        lines = [f"{name + '.so':<30} {'Something':<40} 0  Running  core" for name in REQUIRED_MODULES]
        (self.asterisk / "modules").write_text("\n".join([*lines, ""]))
        (self.asterisk / "endpoints").write_text(ENDPOINT.format(name="alice-desk"))
        values = {
            "IVR_SOUNDS_FOLDER": str(SOUNDS / "en"),
            "IVR_FASTAGI_ADDRESS": f"127.0.0.1:{self.sections['fastagi']['port']}",
            "IVR_SECRET": (self.data / "state" / "asterisk-secret").read_text().strip(),
            "IVR_TAKES_FOLDER": str(self.data / "takes"),
            "IVR_DIALPLAN_VERSION": __version__,
        }
        self._write_globals("".join(f"{name} => {value}\n" for name, value in values.items()))

    def _write_globals(self, text: str) -> None:
        for file in (self.asterisk / "ivr" / "secret.conf", self.asterisk / "loaded.conf"):
            file.write_text(text)

    def _create_programs(self) -> None:
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        (self.folder / "commands").touch()
        log = f'#!/bin/sh\necho "${{0##*/}} $*" >>{shlex.quote(str(self.folder / "commands"))}\n'
        for name in ("timedatectl", "apt", "apt-get", "ffmpeg", "fuser", "journalctl", "mount"):
            (bin_folder / name).write_text(log)
        edit = f'exec sed -i -e "${{1#+}}{{$(cat {shlex.quote(str(self.folder / "typed"))})" -e "}}" "$2"\n'
        (bin_folder / "editor").write_text(log + edit)
        show = f'[ "$1" = show ] && exec cat {shlex.quote(str(self.folder / "unit"))}\n'
        (bin_folder / "systemctl").write_text(log.replace("\n", f"\n{show}", 1))
        self.set_unit()
        (bin_folder / "asterisk").write_text(CONSOLE.replace("@FOLDER@", shlex.quote(str(self.folder))))
        for name in ("requests", "answers"):
            os.mkfifo(self.folder / f"ivr-{name}")
        folder = shlex.quote(str(self.folder))
        ask = f'printf "%s\\n" "$@" >{folder}/ivr-requests; read -r code <{folder}/ivr-answers; exit "$code"\n'
        (bin_folder / "ivr").write_text(f'{log}[ "$1" = install ] && exit\n{ask}')  # Nothing is installed here.
        for program in bin_folder.iterdir():
            program.chmod(0o755)


def silence_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the log out of what the commands of this process print."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    monkeypatch.setattr(structlog, "configure", lambda **_: None)


@cache
def _english() -> Catalogue:
    return Catalogue.load(SOUNDS / "en")


def _load_catalogues(folder: Path) -> dict[str, Catalogue]:
    """Return what `load_catalogues` does for the prompts of a site, without parsing the same file for each run."""
    catalogue = copy(_english())
    catalogue.folder = folder / "en"
    return {"en": catalogue}


def isolate(monkeypatch: pytest.MonkeyPatch, site: BrokenSite) -> None:
    """Let the commands of this process work on the site, without their log."""
    silence_log(monkeypatch)
    monkeypatch.setattr("ivr.doctor.prompt_checks.load_catalogues", _load_catalogues)
    start = AsteriskStart("its unit", run_group="asterisk", process_groups=frozenset({SERVICE_GROUP + 1}))
    monkeypatch.setattr("ivr.doctor.installation.find_asterisk_start", lambda _: start)
    monkeypatch.setenv("IVR_CONFIG", str(site.config))
    monkeypatch.setenv("PATH", f"{site.folder / 'bin'}:/usr/bin:/bin")
