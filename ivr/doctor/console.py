"""Asterisk's console: commands, and what their output means."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass, field
from typing import Protocol

from ivr.errors import IvrError, describe_error
from ivr.trusted_path import refusal_of_command

COMMAND_TIMEOUT_S = 15.0


class ConsoleUnavailable(IvrError):
    """Asterisk's console did not reply."""


class AsteriskConsole(Protocol):
    """A connection to Asterisk's console."""

    def run_command(self, command: str) -> str:
        """Return the output of a command. Raises `ConsoleUnavailable`."""


class RemoteConsole:
    """Runs `asterisk -rx COMMAND`.

    `program`: what precedes -rx, split into words as by a shell. `timeout_s`: for each command.
    """

    def __init__(self, program: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        self._program = shlex.split(program)
        self._timeout_s = timeout_s

    def run_command(self, command: str) -> str:
        self._verify_trusted()
        try:
            done = subprocess.run(
                [*self._program, "-rx", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ConsoleUnavailable(f"{' '.join(self._program)} -rx: no reply in {self._timeout_s:g} s") from error
        except OSError as error:
            raise ConsoleUnavailable(f"{' '.join(self._program)} -rx failed: {describe_error(error)}") from error
        if done.returncode != 0 or "Unable to connect to remote asterisk" in done.stdout + done.stderr:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            silent = f"{' '.join(self._program)} -rx ended with code {done.returncode}, without a word"
            raise ConsoleUnavailable(lines[-1] if lines else silent)
        return done.stdout

    def _verify_trusted(self) -> None:
        """Raise `ConsoleUnavailable` if root would run what another user can change."""
        if reason := refusal_of_command(self._program, "[asterisk] console_command"):
            raise ConsoleUnavailable(reason)


_VERSION = re.compile(r"Asterisk (\d+)\.(\S+)")
_MODULE = re.compile(r"(\S+?)(?:\.so)? +.*? (Running|Not Running) +\w")
_GLOBAL = re.compile(r" {3}(\w+)=(.*)")
_SWITCHED_OFF = re.compile(r"^(  Manager \(AMI\): +No|Server Disabled)\b", re.MULTILINE)
_LISTENING = re.compile(r"^(?:  TCP Bindaddress: +|Server Enabled and Bound to )([\w.:\[\]-]+):(\d+)", re.MULTILINE)
_ENDPOINT = re.compile(r" Endpoint: +([^\s/<]\S*?)(?:/.*)? {2,}\S")
_CONTEXT = re.compile(r"\[ Context '([^']+)'")
_PRIORITY = re.compile(
    r" {2}(?: *'(?P<extension>.*?)' +(?:\(CID match.*?\) +)?=>| *(?:\[[^\]]*\])?) +(?:\d+\. |hint: )"
    r"(?P<application>.*?)(?: +\[(?:(?P<source>[^\[\]\s]+:\d+)|[^\[\]]*)\])?"
)
_INCLUDE = re.compile(r" {2}Include => +'([^']+)'")


def parse_version(text: str) -> tuple[int, str] | None:
    """Parse `core show version`: return 22 and "22.10.1"."""
    found = _VERSION.search(text)
    return (int(found[1]), f"{found[1]}.{found[2].partition('+')[0]}") if found else None


def parse_running_modules(text: str) -> frozenset[str]:
    """Parse `module show`: return the names of the running modules, without .so."""
    matches = map(_MODULE.match, text.splitlines())
    return frozenset(found[1] for found in matches if found and found[2] == "Running")


def parse_global_variables(text: str) -> dict[str, str]:
    """Parse `dialplan show globals`: return values by name."""
    matches = map(_GLOBAL.fullmatch, text.splitlines())
    return {found[1]: found[2] for found in matches if found}


def parse_listening_address(text: str) -> tuple[str, int] | None:
    """Return where Asterisk's manager or HTTP server listens, by `manager show settings` or `http show status`.

    ("", 0): it is switched off; None: the output does not say.
    """
    if _SWITCHED_OFF.search(text):
        return "", 0
    found = _LISTENING.search(text)
    return (found[1].strip("[]"), int(found[2])) if found else None


def parse_endpoints(text: str) -> dict[str, bool]:
    """Parse `pjsip show endpoints`: return for each endpoint whether it has to authenticate."""
    found: dict[str, bool] = {}
    name = None
    for line in text.splitlines():
        if matched := _ENDPOINT.match(line):
            name = matched[1]
            found[name] = False
        elif name and line.strip().startswith("InAuth:"):
            found[name] = True
    return found


@dataclass(frozen=True, slots=True)
class DialplanLine:
    """One priority of an extension: what Asterisk runs, such as "Gosub(ivr-leave,s,1(1000))", and where it is written.

    `source`: file and number of the line, such as "extensions.conf:10"; "" where it is not known.
    """

    extension: str
    application: str
    source: str = ""


@dataclass(slots=True)
class DialplanContext:
    """A context of the dialplan, as Asterisk has loaded it."""

    name: str
    lines: list[DialplanLine] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)

    @property
    def extensions(self) -> list[str]:
        """Its extensions and patterns, each once."""
        return list(dict.fromkeys(line.extension for line in self.lines))


def parse_dialplan(text: str) -> dict[str, DialplanContext]:
    """Parse `dialplan show` or `dialplan show CONTEXT`: return the contexts by name."""
    contexts: dict[str, DialplanContext] = {}
    context, extension = DialplanContext(""), ""
    for line in text.splitlines():
        if found := _CONTEXT.match(line):
            context = contexts.setdefault(found[1], DialplanContext(found[1]))
        elif found := _INCLUDE.match(line):
            context.includes.append(found[1])
        elif found := _PRIORITY.fullmatch(line):
            extension = extension if found["extension"] is None else found["extension"]
            context.lines.append(DialplanLine(extension, found["application"].rstrip(), found["source"] or ""))
    return contexts


def is_unbounded(pattern: str) -> bool:
    """Return whether a pattern matches numbers of any length: "_X." and "_9!" do, "_1XXX" and "1000" do not."""
    return pattern.startswith("_") and pattern[-1] in ".!"


def open_digits(pattern: str) -> int:
    """Return how many digits of a pattern vary: 3 of "_1XXX", 6 of "_0900XXXXXX", none of "1000"."""
    return len(re.findall(r"\[[^]]*\]|[XZN]", pattern, re.IGNORECASE)) if pattern.startswith("_") else 0
