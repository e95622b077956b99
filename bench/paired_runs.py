"""What one phone has to measure in a lab, and the process that does it."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, replace

from bench.app_voicemail import MAX_MESSAGES
from bench.bench_lab import PIN, BenchLab
from bench.phone_worker import BenchTarget, WorkerTask

OUR_NUMBERS = {
    10: "number/10",
    1000: "number/1",
    9000: "number/9",
    100_000: "number/1",
    1_000_000: "number/1",
}
THEIR_NUMBERS = {10: "digits/10", 1000: "digits/1", 9000: "digits/9"}
"""The word that follows "You have" in a box of so many new messages."""
SAVED = (0, 10, 999, 9000, 99_999, 999_999)
"""None of these is said with the word "one", which is waited for."""
KEY_TO_SOUND = "key to next sound"
FIGURES = ("measure_menus", "measure_first_word", "measure_first_word_with_pin")


def measure_pairs(lab: BenchLab, number: str, size: int, pairs: int, *, seed: int) -> WorkerTask:
    """In a box of `size` new messages; in a box of saved ones, how soon a message that is left is heard."""
    figures = ("measure_leave_to_listen",) if lab.saved else FIGURES
    our_number, their_number = (
        ("number/1", "digits/1") if lab.saved else (OUR_NUMBERS[size], THEIR_NUMBERS.get(size, ""))
    )
    sounds, their_sounds = str(lab.site.sounds), str(lab.asterisk_sounds)
    ours = BenchTarget(
        "*97",
        f"*98{number}",
        sounds,
        "count/you-have",
        our_number,
        "message/message",
        f"*76{number}",
        "tone/beep",
        "done/deleted",
    )
    theirs = None
    if size <= MAX_MESSAGES:
        theirs = BenchTarget(
            f"*70{number}",
            f"*71{number}",
            their_sounds,
            "vm-youhave",
            their_number,
            "vm-message",
            f"*78{number}",
            "beep",
            "vm-deleted",
        )
    server = ("127.0.0.1", lab.site.sip_port)
    return WorkerTask(
        server,
        lab.phone_credentials("p", number),
        lab.phone_credentials("s", number),
        PIN,
        pairs,
        figures,
        str(lab.audio),
        ours,
        theirs,
        seed,
    )


async def run_worker(task: WorkerTask) -> dict[str, list[list[float]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.phone_worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(asdict(task)).encode())
    result: dict[str, list[list[float]]] = json.loads(out)
    return result


async def key_times_ms(lab: BenchLab, number: str, keys: int, *, seed: int) -> list[float]:
    """Return how many ms each of so many keys took to be heard, in a box of ten new messages of ours."""
    task = replace(measure_pairs(lab, number, 10, keys, seed=seed), theirs=None, figures=("measure_first_word",))
    return [pair[0] for pair in (await run_worker(task))[KEY_TO_SOUND]]
