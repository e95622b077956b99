"""`make fuzz`: change valid inputs of every parser at random, for some minutes, and report what crashes or is slow."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time

import structlog

from tests.fuzz.inputs import mutate
from tests.fuzz.run import MAX_CPU_MS, cpu_ms, describe_crash
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="How long, over all parsers.")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="Repeats a run.")
    parser.add_argument("--only", choices=sorted(TARGETS), help="One parser.")
    options = parser.parse_args()
    logging.disable()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    print(f"seed {options.seed}")
    names = [options.only] if options.only else list(TARGETS)
    failures = 0
    for name in names:
        target, rng = TARGETS[name], random.Random(f"{options.seed} {name}")
        ends_at = time.monotonic() + options.seconds / len(names)
        count, slowest = 0, 0.0
        reported: set[str] = set()
        longest = [repetition.build(target.max_bytes) for repetition in target.repetitions]
        while longest or time.monotonic() < ends_at:
            changed = mutate(rng, target.examples, target.max_bytes, target.repetitions)
            data = longest.pop() if longest else changed
            crash = describe_crash(target, data)
            took_ms = cpu_ms(target, data) if crash is None else 0.0
            slowest, count = max(slowest, took_ms), count + 1
            failure = crash or (f"took {took_ms:.0f} ms" if took_ms > MAX_CPU_MS else None)
            if failure and failure.split("\n")[0] not in reported and len(reported) < 5:
                reported.add(failure.split("\n")[0])
                print(f"{name}: {failure}\n  input ({len(data)} bytes): {data[:300]!r}", file=sys.stderr)
            failures += failure is not None
        print(f"{name:<24} {count:>8} inputs  slowest {slowest:6.1f} ms  failures {len(reported)}", flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
