"""`python -m bench.under_attack [KIND...]`: key to sound at a phone while the REST API is attacked, beside an idle API.

Runs in a lab of its own, as root on Debian. The attacker runs with lower priority, as it would run on another machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from statistics import median

import httpx

from bench.bench_lab import BenchLab
from bench.figures import percentile
from bench.paired_runs import key_times_ms
from bench.rest_api import LOAD_REQUESTS, OWNERS, box_url, new_token
from tests.support import attacks

KEYS = 8
"""For each kind of attack, and as many with an idle API just before."""
ATTACK_S = 600
NICENESS = 15


async def main() -> None:
    lab = BenchLab({LOAD_REQUESTS: 100, OWNERS: 10})
    try:
        lab.create_data()
        lab.start()
        token = new_token(lab)
        async with httpx.AsyncClient(headers={"X-Auth-Token": token}, timeout=120) as http:
            *_, account, _, box = (await box_url(lab, http)).split("/")
        target = {"token": token, "account": account, "box": box}
        print("| attack | requests | idle: p50, p95 | attacked: p50, p95 | ratio of p50 | ratio of p95 |")
        print("|---|---|---|---|---|---|", flush=True)
        idle_all: list[float] = []
        attacked_all: list[float] = []
        for seed, kind in enumerate(sys.argv[1:] or attacks.KINDS):
            idle = await key_times_ms(lab, OWNERS, KEYS, seed=seed)
            count, attacked = await _keys_under(lab, target, kind, seed)
            print(_row(kind, f"{count:,}", idle, attacked), flush=True)
            idle_all += idle
            attacked_all += attacked
        print(_row("all", "", idle_all, attacked_all))
    finally:
        lab.stop()
        lab.remove()


async def _keys_under(lab: BenchLab, target: dict[str, str], kind: str, seed: int) -> tuple[int, list[float]]:
    """The same during an attack; also how many requests the attacker made a second, rounded."""
    command = [sys.executable, "-m", "tests.support.attacks", f"http://127.0.0.1:{lab.rest_port}", str(ATTACK_S), kind]
    pipe = asyncio.subprocess.PIPE
    attacker = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, preexec_fn=lambda: os.nice(NICENESS) and None
    )
    assert attacker.stdin
    attacker.stdin.write(json.dumps(target).encode())
    attacker.stdin.close()
    try:
        attacked = await key_times_ms(lab, OWNERS, KEYS, seed=seed)
    finally:
        attacker.terminate()
    output, _ = await attacker.communicate()
    return json.loads(output)[1], attacked


def _row(kind: str, count: str, idle: list[float], attacked: list[float]) -> str:
    (a, b), (c, d) = (_figures(idle), _figures(attacked))
    return f"| {kind} | {count} | {a:.1f}, {b:.1f} ms | {c:.1f}, {d:.1f} ms | {c / a:.2f} | {d / b:.2f} |"


def _figures(values: list[float]) -> tuple[float, float]:
    return median(values), percentile(values, 0.95)


if __name__ == "__main__":
    asyncio.run(main())
