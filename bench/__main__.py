"""`python -m bench [--pairs N] [--sizes 10,1000,...] [--saved 0,10,...] [--workers N] [--calls 20,50,100]`: measures,
and prints tables.

An empty list (`--sizes ''`) leaves that part out.
"""

from __future__ import annotations

import argparse
import asyncio
import platform

from bench import task_times
from bench.app_voicemail import MAX_MESSAGES
from bench.bench_lab import BenchLab
from bench.call_load import LoadProfile, add_dialplan, require_sipp
from bench.call_load import cost_table as costs_told
from bench.cli_options import parse_int_list
from bench.figures import Comparison, table
from bench.paired_runs import OUR_NUMBERS, SAVED, measure_pairs, run_worker


async def latency(sizes: list[int], pairs: int, workers: int, *, saved: bool = False) -> None:
    """Measure in the received audio at each mailbox size, with `workers` phones at a time.

    In mailboxes of `saved` messages, the delay until a new message is heard is measured.
    """
    boxes = {
        f"{5 + n}{worker:03}": size
        for n, size in enumerate(sizes)
        for worker in range(_boxes(size, workers, saved=saved))
    }
    lab = BenchLab(boxes, saved=saved)
    try:
        lab.create_data()
        lab.start()
        for size in sizes:
            numbers = [number for number, count in boxes.items() if count == size]
            phones = len(numbers) if saved else workers
            at_work = [
                run_worker(
                    measure_pairs(lab, numbers[phone % len(numbers)], size, -(-pairs // phones), seed=size + phone)
                )
                for phone in range(phones)
            ]
            _print_table(f"{size:,} {'saved ' if saved else ''}messages in the box", await asyncio.gather(*at_work))
    finally:
        lab.stop()
        lab.remove()


def load(calls: list[int]) -> None:
    """CPU and memory of a call, at so many calls at a time."""
    require_sipp()
    lab = BenchLab({f"6{n:03}": 1 for n in range(max(calls))}, message_s=LoadProfile().message_s)
    try:
        add_dialplan(lab)
        lab.create_data()
        lab.start()
        print("\n### What a call costs\n", flush=True)
        for line in costs_told(lab, calls):
            print(line, flush=True)
    finally:
        lab.stop()
        lab.remove()


def _boxes(size: int, workers: int, *, saved: bool) -> int:
    """A box for each phone, but of the largest only one for all where nothing changes in it, else three at most."""
    return workers if size <= MAX_MESSAGES else min(workers, 3 if saved else 1)


def _print_table(heading: str, found: list[dict[str, list[list[float]]]]) -> None:
    names = list(dict.fromkeys(name for one in found for name in one))
    rows = []
    for name in names:
        pairs = [pair for one in found for pair in one.get(name, [])]
        rows.append(Comparison(name, "ms", [p[0] for p in pairs], [p[1] for p in pairs if len(p) > 1]))
    print(f"\n### {heading}\n\n{table(rows)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--sizes", type=parse_int_list, default="10,1000,9000,100000,1000000")
    parser.add_argument("--saved", type=parse_int_list, default="0,10,999,9000,99999,999999")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--calls", type=parse_int_list, default="20,50,100")
    parser.add_argument("--no-tasks", action="store_true", help="without the six tasks of a person")
    chosen = parser.parse_args()
    sizes, saved = chosen.sizes, chosen.saved
    for option, selection, known in (("--sizes", sizes, tuple(OUR_NUMBERS)), ("--saved", saved, SAVED)):
        if odd := set(selection) - set(known):
            parser.error(f"no box of {min(odd)} is known: {option} takes some of {', '.join(map(str, known))}")
    if chosen.pairs < 1 or chosen.workers < 1:
        parser.error("--pairs and --workers are 1 or more; --sizes '' leaves that part out")
    print(f"Python {platform.python_version()}, {platform.machine()}, {chosen.workers} phones at a time", flush=True)
    if sizes:
        asyncio.run(latency(sizes, chosen.pairs, chosen.workers))
    if saved:
        asyncio.run(latency(saved, chosen.pairs, chosen.workers, saved=True))
    if not chosen.no_tasks:
        print(f"\n### The person's time\n\n{asyncio.run(task_times.table())}", flush=True)
    if chosen.calls:
        load(chosen.calls)


if __name__ == "__main__":
    main()
