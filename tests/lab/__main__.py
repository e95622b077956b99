"""`python -m tests.lab run [--transport T] [--database D] [--store S] COMMAND...`: a lab while COMMAND runs, which
finds it by IVR_LAB.

`python -m tests.lab up [--transport T]`: a lab with two SIP accounts and the demo messages, until Ctrl-C.

T is the transport of calls: fastagi (default), ari or agi; or ari-http, where Asterisk accepts requests over HTTP only,
or ari-per-call, where it connects to the services for each call. D is sqlite (default) or postgresql; S is folder
(default), s3 (the small server of the tests) or seaweedfs.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys

from tests.lab import processor_waits, storage
from tests.lab.asterisk_config import SipAccount
from tests.lab.asterisk_root import AsteriskUnavailable, unavailable_reason
from tests.lab.lab import Lab
from tests.lab.processes import StartFailed
from tests.lab.processor_waits import ProcessorWatch
from tests.lab.transports import TRANSPORT_MODES


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # A closed window ends a lab as Ctrl-C does.
        signal.signal(number, signal.default_int_handler)
    match sys.argv[1:]:
        case ["run", *words]:
            return run(read_options(words))
        case ["up", "--transport", transport] if transport in TRANSPORT_MODES:
            return run_interactive(transport)
        case ["up"]:
            return run_interactive()
        case ["why-not"]:
            print(unavailable_reason() or "")
            return 0
    print(__doc__)
    return 2


def read_options(words: list[str]) -> argparse.Namespace:
    """The options of `run`, and its command."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab run", usage=__doc__)
    parser.add_argument("--transport", choices=TRANSPORT_MODES, default=TRANSPORT_MODES[0])
    parser.add_argument("--database", choices=storage.DATABASES, default=storage.DATABASES[0])
    parser.add_argument("--store", choices=storage.STORES, default=storage.STORES[0])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(words)
    if not options.command:
        parser.error("which command?")
    return options


def run(options: argparse.Namespace) -> int:
    """Run a command within a lab; gives its exit code."""
    with storage.run_database(options.database) as rows, storage.run_store(options.store) as recordings:
        lab = Lab(transport_mode=options.transport, storage={**rows, **recordings})
        try:
            lab.start()
            environment = {**os.environ, "IVR_LAB": str(lab.write_info())}
            watch = ProcessorWatch(lab.folder / processor_waits.FILE_NAME)
            watch.start()
            code = subprocess.run(options.command, check=False, env=environment).returncode
            watch.stop()
        finally:
            lab.stop()
    if code == 0:
        lab.remove()
    else:
        print(f"The lab's logs are in {lab.folder}: asterisk.out, log/messages, service.log", file=sys.stderr)
    return code


def run_interactive(transport_mode: str = TRANSPORT_MODES[0]) -> int:
    """Run a real Asterisk for a softphone."""
    devices = (SipAccount("alice", secrets.token_hex(6), "1000"), SipAccount("bob", secrets.token_hex(6), "1001"))
    lab = Lab(devices, transport_mode)
    try:
        lab.run_ivr("demo", "--only-make", "--folder", str(lab.data))
        lab.start()
        print(f"Asterisk 22 and the voicemail are up. Register a softphone at 127.0.0.1:{lab.site.sip_port} (UDP):")
        for device in devices:
            print(f"  user {device.name}   password {device.password}   mailbox {device.number}   PIN 4716")
        print("Dial *97 (your mailbox), *98 (any mailbox), *981001 (mailbox 1001), 1000 or 1001 (leave a message).")
        print("Ctrl-C ends both.", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print()
    finally:
        lab.stop()
        lab.remove()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AsteriskUnavailable, StartFailed) as reason:
        print(f"no lab: {reason}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
