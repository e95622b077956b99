"""Starts a program that sees the files it is given, the programs and libraries of the system, and nothing else.

Linux restricts a thread by Landlock (since 5.13), and what the thread starts. So a thread of its own is restricted,
starts the program, and ends: the calling process is not affected. A filter of system calls refuses sockets, which
Landlock cannot: through one, a program could connect to Asterisk or to a database of the machine.

No library does this for a thread; the kernel takes three system calls without a wrapper in libc.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls, with the same numbers on all machines."""
REPORT_VERSION = 1
RULE_PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""What is forbidden unless a rule allows it, by the first version that knows it."""
TCP_RIGHTS, TCP_VERSION = 0b11, 4
SCOPES, SCOPE_VERSION = 0b11, 6
"""Signals, and sockets with an abstract name: to programs outside of the sandbox."""
SYSTEM_FOLDERS = tuple(map(Path, ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")))
SYSTEM_FILES = tuple(map(Path, ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")))
SOCKET_CALLS: Final = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
"""For each machine: its name in filters, and the numbers of socket and socketpair."""
IO_URING_SETUP = 425
"""The kernel would make sockets for it past the filter."""
X32_BIT = 0x40000000
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_GREATER_OR_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06
RETURN_ALLOW, RETURN_ERRNO = 0x7FFF0000, 0x00050000
OFFSET_NUMBER, OFFSET_MACHINE = 0, 4


@dataclass(frozen=True, slots=True)
class FileAccess:
    """The files of a program: each exists. Neither may be a folder."""

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


def missing_protection() -> str:
    """Return what this kernel cannot keep from a program, in words for an administrator; "": it can do all."""
    if not _landlock_version():
        return "other files: the kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and landlock in the lsm= parameter)"
    if platform.machine() not in SOCKET_CALLS:
        return f"sockets: there is no filter of system calls for {platform.machine()}"
    return ""


def start_sandboxed(
    start: Callable[[], subprocess.Popen[bytes]], program: Path, access: FileAccess
) -> subprocess.Popen[bytes]:
    """Return the process that `start` starts, restricted to `access`, the system's programs and `program`.

    Without Landlock it is not restricted: `missing_protection` says so. Raises OSError, also for a file of `access`
    that is missing.
    """
    version = _landlock_version()
    outcome: list[subprocess.Popen[bytes] | Exception] = []

    def start_restricted() -> None:
        try:
            if version:
                _restrict_files(version, program, access)
                _refuse_sockets()
            outcome.append(start())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=start_restricted, name="sandbox")
    thread.start()
    thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _landlock_version() -> int:
    """Return the version of Landlock of this kernel; 0: there is none, or it is not permitted."""
    arguments = (None, ctypes.c_size_t(0), ctypes.c_uint32(REPORT_VERSION))
    version: int = ctypes.CDLL(None).syscall(ctypes.c_long(CREATE_RULESET), *arguments)
    return max(0, version)


def _restrict_files(version: int, program: Path, access: FileAccess) -> None:
    """Restrict the calling thread, for ever."""
    file_rights = max(rights for first, rights in FILE_RIGHTS.items() if first <= version)
    tcp = TCP_RIGHTS if version >= TCP_VERSION else 0
    scopes = SCOPES if version >= SCOPE_VERSION else 0
    words = 3 if scopes else 2 if tcp else 1
    attributes = struct.pack("=QQQ", file_rights, tcp, scopes)[: 8 * words]
    ruleset = _call(
        "landlock_create_ruleset", CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
    )
    run = EXECUTE | READ_FILE
    try:
        for path in _existing((*SYSTEM_FOLDERS, *_own_folders(program))):
            _allow(ruleset, path, run | READ_DIR)
        for path in _existing(SYSTEM_FILES):
            _allow(ruleset, path, READ_FILE | WRITE_FILE)
        _allow(ruleset, program, run)
        for path in access.readable:
            _allow(ruleset, path, READ_FILE)
        for path in access.writable:
            _allow(ruleset, path, (WRITE_FILE | TRUNCATE) & file_rights)
        _no_new_privileges()
        _call("landlock_restrict_self", RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _own_folders(program: Path) -> Iterable[Path]:
    """Return the libraries of a program that is installed outside of the system's folders."""
    folder = program.resolve().parent
    return () if any(folder.is_relative_to(known) for known in SYSTEM_FOLDERS) else (folder.parent / "lib",)


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, descriptor)
        _call(
            "landlock_add_rule",
            ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(RULE_PATH_BENEATH),
            rule,
            ctypes.c_uint32(0),
        )
    finally:
        os.close(descriptor)


def _no_new_privileges() -> None:
    _prctl(PR_SET_NO_NEW_PRIVS, 1, 0)


def _refuse_sockets() -> None:
    """Let the calling thread, and what it starts, make no socket. Other machines than those of the table have none."""
    known = SOCKET_CALLS.get(platform.machine())
    if known is None:
        return
    machine, *sockets = known
    refused = [(JUMP_IF_GREATER_OR_EQUAL, X32_BIT), *((JUMP_IF_EQUAL, number) for number in (*sockets, IO_URING_SETUP))]
    program = [
        (LOAD_WORD, 0, 0, OFFSET_MACHINE),
        (JUMP_IF_EQUAL, 0, len(refused) + 2, machine),
        (LOAD_WORD, 0, 0, OFFSET_NUMBER),
    ]
    # Each jump is to the last instruction, which refuses; the one before it allows.
    program += [(code, len(refused) - index, 0, value) for index, (code, value) in enumerate(refused)]
    program += [(RETURN, 0, 0, RETURN_ALLOW), (RETURN, 0, 0, RETURN_ERRNO | errno.EACCES)]
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(instructions)))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header))


def _prctl(option: int, value: int, pointer: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_ulong(word) for word in (value, pointer, 0, 0)]
    if libc.prctl(ctypes.c_int(option), *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def _call(name: str, number: int, *arguments: object) -> int:
    """Make a system call. Raises OSError with its name."""
    result: int = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result
