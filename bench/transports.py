"""`python -m bench.transports [--pairs N] [--workers N] [--calls 50,100] [--pace 20,20] [--against ari,agi]`.

Compares FastAGI with each other transport in pairs, on one Asterisk and one service, and measures the cost of a call
over each. An empty list leaves that part out. Results: docs/transports.md.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
from statistics import median

from bench.bench_lab import PIN, BenchLab
from bench.call_load import DIALPLAN, LoadCost, LoadProfile, require_sipp, run_listeners
from bench.cli_options import parse_int_list
from bench.figures import Comparison, table
from bench.paired_runs import run_worker
from bench.phone_worker import BenchTarget, WorkerTask
from tests.lab.transports import TRANSPORTS

DEFAULT_TRANSPORT = TRANSPORTS[0]
MESSAGES = 10
FIGURES = ("measure_menus", "measure_first_word")


def dial_prefix(transport: str) -> str:
    """What is dialled in front of a number, so that the call takes it."""
    return f"*5{TRANSPORTS.index(transport)}"


def bench_target(lab: BenchLab, transport: str, number: str) -> BenchTarget:
    by = dial_prefix(transport)
    return BenchTarget(
        f"{by}*97",
        f"{by}*98{number}",
        str(lab.site.sounds),
        "count/you-have",
        f"number/{MESSAGES}",
        "message/message",
        f"{by}*76{number}",
        "tone/beep",
        "done/deleted",
    )


async def measure_latency(others: list[str], pairs: int, workers: int) -> None:
    """Measure in the received audio, `workers` phones at a time."""
    lab = BenchLab({f"{5 + worker}000": MESSAGES for worker in range(workers)}, agi=True)
    try:
        lab.create_data()
        lab.start()
        for other in others:
            tasks = [
                WorkerTask(
                    ("127.0.0.1", lab.site.sip_port),
                    lab.phone_credentials("p", number),
                    lab.phone_credentials("s", number),
                    PIN,
                    -(-pairs // workers),
                    FIGURES,
                    str(lab.audio),
                    bench_target(lab, DEFAULT_TRANSPORT, number),
                    bench_target(lab, other, number),
                    int(number),
                )
                for number in lab.boxes
            ]
            found = await asyncio.gather(*map(run_worker, tasks))
            print(f"\n### {DEFAULT_TRANSPORT} and {other}\n\n{_comparisons(found, other)}", flush=True)
    finally:
        lab.stop()
        lab.remove()


def _comparisons(found: list[dict[str, list[list[float]]]], other: str) -> str:
    names = list(dict.fromkeys(name for one in found for name in one))
    pairs = {name: [pair for one in found for pair in one.get(name, [])] for name in names}
    rows = [Comparison(name, "ms", [p[0] for p in both], [p[1] for p in both]) for name, both in pairs.items()]
    return table(rows, DEFAULT_TRANSPORT, other)


def measure_cost(transports: list[str], calls: list[int], rounds: int, pace: LoadProfile) -> None:
    """CPU of a call at so many at a time, over each transport in turn, and of bare `Playback` of the same message."""
    require_sipp()
    lab = BenchLab({f"6{n:03}": 1 for n in range(max(calls))}, message_s=pace.message_s, agi="agi" in transports)
    ways = {"Playback": "*75", **{transport: f"{dial_prefix(transport)}*97" for transport in transports}}
    try:
        with (lab.site.folder / "etc" / "extensions.conf").open("a") as file:
            file.write(DIALPLAN.format(sound=lab.audio.with_suffix("")))
        lab.create_data()
        lab.start()
        print("\n### CPU ms a call (Asterisk and what it started + service)\n", flush=True)
        print(f"| calls at a time | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}", flush=True)
        for count in calls:
            found: dict[str, list[LoadCost]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, dials in ways.items():
                    found[way].append(run_listeners(lab, way, dials, count, pace))
            cells = []
            for costs in found.values():
                asterisk, service = (
                    median(1000 * seconds / count for seconds in one)
                    for one in ([c.asterisk_s for c in costs], [c.service_s for c in costs])
                )
                failed = (
                    f", {sum(c.failed for c in costs)} rounds had failed calls" if any(c.failed for c in costs) else ""
                )
                cells.append(f"{asterisk + service:.0f} ({asterisk:.0f} + {service:.0f}){failed}")
            print(f"| {count} | {' | '.join(cells)} |", flush=True)
    finally:
        lab.stop()
        lab.remove()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.transports", description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--calls", type=parse_int_list, default="50,100")
    parser.add_argument("--rounds", type=int, default=3, help="of each load; the median counts")
    parser.add_argument("--pace", default="20,20", help="new calls a second, and seconds that each listens")
    parser.add_argument("--against", default="ari,agi")
    chosen = parser.parse_args()
    others = [name for name in chosen.against.split(",") if name]
    if odd := [name for name in others if name not in TRANSPORTS[1:]]:
        parser.error(f"no transport {odd[0]!r}: --against takes some of {', '.join(TRANSPORTS[1:])}")
    calls_a_s, _, listen_s = chosen.pace.partition(",")
    if not (calls_a_s.isdecimal() and listen_s.isdecimal() and int(calls_a_s) and int(listen_s)):
        parser.error(f"--pace takes new calls a second and seconds of listening, as 20,20, and not {chosen.pace!r}")
    pace = LoadProfile(int(calls_a_s), int(listen_s))
    print(f"Python {platform.python_version()}, {platform.machine()}, {chosen.workers} phones at a time", flush=True)
    if chosen.pairs:
        asyncio.run(measure_latency(others, chosen.pairs, chosen.workers))
    if chosen.calls:
        measure_cost([DEFAULT_TRANSPORT, *others], chosen.calls, chosen.rounds, pace)


if __name__ == "__main__":
    main()
