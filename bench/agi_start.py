"""`python -m bench.agi_start [--runs N] [--vs TREE]`: how long `ivr-agi` takes from its start to its first AGI command.

`--vs`: another working tree with a `.venv`; the two are measured in turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

HEADER = b"agi_request: ivr-agi\nagi_channel: PJSIP/alice-00000001\nagi_uniqueid: 1.1\nagi_callerid: 1000\n\n"


def measure_start(tree: Path, data_folder: Path) -> tuple[float, float]:
    """Start the program once. Return wall and CPU time in milliseconds."""
    started_at = perf_counter()
    process = subprocess.Popen(
        [tree / ".venv" / "bin" / "ivr-agi", "check", "account=demo", "number=1000"],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "IVR_DATA__FOLDER": str(data_folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(HEADER)
    process.stdin.flush()
    command = process.stdout.readline()
    wall_s = perf_counter() - started_at
    process.kill()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    assert command.startswith(b"GET FULL VARIABLE"), command
    return 1000 * wall_s, 1000 * (usage.ru_utime + usage.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.agi_start", description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--vs", type=Path, help="another working tree")
    options = parser.parse_args()
    trees = [Path.cwd(), *([options.vs.resolve()] if options.vs else [])]
    times: dict[Path, list[tuple[float, float]]] = {tree: [] for tree in trees}
    with tempfile.TemporaryDirectory() as folder:
        for run in range(options.runs + 1):
            for tree in trees if run % 2 else trees[::-1]:
                data_folder = Path(folder) / str(trees.index(tree))
                measured = measure_start(tree, data_folder)
                if run:  # The first run creates the data folder and the byte code.
                    times[tree].append(measured)
    print("| tree | wall, median ms | CPU, median ms |\n|---|---|---|")
    for tree, measured_times in times.items():
        print(f"| {tree} | {median(t[0] for t in measured_times):.0f} | {median(t[1] for t in measured_times):.0f} |")
    if options.vs:
        ratios = [ours[1] / theirs[1] for ours, theirs in zip(times[trees[0]], times[trees[1]], strict=True)]
        print(f"\nCPU time, median of the paired ratios: {median(ratios):.3f}")


if __name__ == "__main__":
    main()
