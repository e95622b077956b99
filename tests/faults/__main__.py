"""`python -m tests.faults [--runs 200] [--seed N] [--labs 4] [--transport T]`: crash after crash, nothing lost.

IVR_SEED is the seed too. Each lab has an Asterisk, a service and people of its own, and makes its share of the runs one
after another. `--only N` makes one run again.

With `--nodes N` there is one lab of N nodes that share their mailboxes (`nodes.py`); each run has a call at each node.
`--store s3` or `seaweedfs`: their recordings are in an object store, not in a folder that all see.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.asterisk.conftest import AdminClient
from tests.faults import database_pair
from tests.faults.nodes import NodeRun, NodeRunPlan, NodeSite
from tests.faults.run import FaultRun, RunPlan
from tests.lab import storage
from tests.lab.asterisk_config import SipAccount
from tests.lab.asterisk_root import AsteriskUnavailable, unavailable_reason
from tests.lab.lab import RIVALS, Lab
from tests.lab.processes import StartFailed
from tests.lab.sip_phone import Vocabulary
from tests.support.app_fixture import SOUNDS

RUNS_OF_A_SITE = 50
"""Each has people of its own."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("IVR_SEED", random.randrange(10**6))))
    parser.add_argument("--labs", type=int, default=4)
    parser.add_argument("--transport", choices=("fastagi", "ari"), default="fastagi", help="the transport of calls")
    parser.add_argument("--share", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--only", type=int, default=None)
    parser.add_argument("--nodes", type=int, default=0, help="nodes that share the mailboxes")
    parser.add_argument("--store", choices=storage.STORES, default=storage.STORES[0])
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # All end labs as Ctrl-C does.
        signal.signal(number, signal.default_int_handler)
    if reason := unavailable_reason() or (options.nodes and database_pair.unavailable_reason()):
        print(f"no crash harness: {reason}", file=sys.stderr)
        return 1
    if options.nodes:
        numbers = range(options.runs) if options.only is None else [options.only]
        plans = [NodeRunPlan.generate(number, options.seed, options.nodes) for number in numbers]
        return run_nodes(plans, options.nodes, options.store)
    if options.only is not None:
        return asyncio.run(run_one_lab([RunPlan.generate(options.only, options.seed)], options.transport))
    if options.share is not None:
        numbers = range(options.share, options.runs, options.labs)
        return asyncio.run(
            run_one_lab([RunPlan.generate(number, options.seed) for number in numbers], options.transport)
        )
    return run_all_labs(options.runs, options.seed, min(options.labs, options.runs), options.transport)


def run_all_labs(runs: int, seed: int, labs: int, transport: str) -> int:
    """A process for each lab, for phones must send in time; gives the exit code."""
    began = time.monotonic()
    print(f"{runs} runs over {transport}, seed {seed} (make them again: IVR_SEED={seed} make faults)", flush=True)
    command = [sys.executable, "-m", "tests.faults", f"--runs={runs}", f"--seed={seed}", f"--labs={labs}"]
    command.append(f"--transport={transport}")
    processes = [subprocess.Popen([*command, f"--share={share}"]) for share in range(labs)]
    codes = [process.wait() for process in processes]
    print(f"{runs} runs in {time.monotonic() - began:.0f} s: {'nothing was lost' if not any(codes) else 'FAILED'}")
    return int(any(codes))


async def run_one_lab(plans: list[RunPlan], transport: str) -> int:
    """Make these runs in one lab; gives the exit code."""
    phones = (SipAccount(f"f{n:03}", secrets.token_hex(8), str(1000 + n)) for n in range(2 * len(plans)))
    lab = Lab(tuple(phones), transport)
    failed = 0
    try:
        lab.start()
        vocabulary = Vocabulary.from_folder(SOUNDS / "en", rivals_folder=RIVALS)
        desk = AdminClient({**lab.environment, "IVR_LOG__LEVEL": "warning"})
        devices = [{"name": one.name, "password": one.password, "number": one.number} for one in lab.site.devices]
        for place, plan in enumerate(plans):
            run = FaultRun(plan, lab, desk, devices[2 * place : 2 * place + 2], vocabulary)
            complaints = await run.violations()
            failed += bool(complaints)
            print(f"{plan} ({run.summary}): {'; '.join(complaints) or 'ok'}", flush=True)
        desk.close()
    finally:
        lab.stop()
    if failed:
        print(f"The lab's logs are in {lab.folder}: service.log, asterisk.out, log/messages", file=sys.stderr)
    else:
        lab.remove()
    return int(failed > 0)


def run_nodes(plans: list[NodeRunPlan], nodes: int, store: str) -> int:
    """Make these runs with several nodes; gives the exit code."""
    began, failed = time.monotonic(), 0
    print(f"{len(plans)} kills with {nodes} nodes, seed {plans[0].seed} (again: IVR_SEED={plans[0].seed})", flush=True)
    for part in (plans[at : at + RUNS_OF_A_SITE] for at in range(0, len(plans), RUNS_OF_A_SITE)):
        with storage.run_store(store) as settings:
            failed += run_site(part, nodes, settings)
    result = f"{failed} FAILED" if failed else "nothing was lost"
    print(f"{len(plans)} kills with {nodes} nodes in {time.monotonic() - began:.0f} s: {result}")
    return int(failed > 0)


def run_site(plans: Sequence[NodeRunPlan], nodes: int, store: Mapping[str, str]) -> int:
    """Make these runs at one site; gives how many have failed."""
    site = NodeSite(nodes, runs=len(plans), store=store)
    keep_logs = True
    try:
        site.start()
        failed = asyncio.run(count_failed_runs(plans, site))
        keep_logs = failed > 0
    except KeyboardInterrupt:
        keep_logs = False
        raise
    finally:  # No thread of a run is left here.
        site.stop(keep_logs=keep_logs)
    if failed:
        print(f"Logs are in {', '.join(str(lab.folder) for lab in site.labs)}", file=sys.stderr)
    return failed


async def count_failed_runs(plans: Sequence[NodeRunPlan], site: NodeSite) -> int:
    """Make the runs one after another, and print what came of each."""
    admins, failed = site.connect_admins(), 0
    try:
        for place, plan in enumerate(plans):
            run = NodeRun(plan, place, site, admins)
            complaints = await run.violations()
            failed += bool(complaints)
            print(f"{plan} ({run.summary}): {'; '.join(complaints) or 'ok'}", flush=True)
    finally:
        for admin in admins:
            admin.close()
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AsteriskUnavailable, StartFailed) as reason:
        print(f"no crash harness: {reason}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
