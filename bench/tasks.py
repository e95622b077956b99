"""The person's time: six standard tasks, with keys pressed as early as each menu takes them; seconds from dial to done.

A person who knows the menus presses a key as soon as they recognise the prompt that asks for it, in both systems.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

from bench.lab import BenchLab
from tests.sipphone import Clip, NotHeard, Phone, Vocabulary
from tests.sipphone.speech import speech

RUNS = 5
MESSAGE = "the message"


@dataclass(frozen=True, slots=True)
class Hear:
    """Recognise a prompt or the message; `whole`: hear it out."""

    what: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Press:
    keys: str


@dataclass(frozen=True, slots=True)
class Say:
    seconds: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Let so much be heard."""

    seconds: float


Step = Hear | Press | Say | Listen


@dataclass(frozen=True, slots=True)
class Way:
    """How a task is done in one system: what to dial ("{box}"), from whose phone, and the steps."""

    dial: str
    steps: tuple[Step, ...]
    own_phone: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    name: str
    ours: Way
    theirs: Way


HEARD = Hear(MESSAGE, whole=True)
TASKS = (
    Work(
        "hear the first new message",
        Way("*97", (Hear("count/you-have"), Press("1"), HEARD)),
        Way("*70{box}", (Hear("vm-youhave"), Press("1"), HEARD)),
    ),
    Work(
        "hear and delete three",
        Way("*97", (Hear("count/you-have"), Press("1"), *(HEARD, Press("7"), Hear("done/deleted")) * 3)),
        Way(
            "*70{box}",
            (
                *(Hear("vm-youhave"), Press("1"), HEARD, Press("7"), Hear("vm-deleted")),
                *(Press("6"), HEARD, Press("7"), Hear("vm-deleted")) * 2,
            ),
        ),
    ),
    Work(
        "forward one with an introduction",
        Way(
            "*97",
            (
                *(Hear("count/you-have"), Press("1"), Hear(MESSAGE), Press("3")),
                *(Hear("forward/enter-box"), Press("{other}#"), Hear("to/prepend"), Press("1")),
                *(Hear("forward/intro"), Press("1"), Hear("tone/beep", whole=True), Say(2), Press("#")),
                *(Hear("to/save-recording"), Press("1"), Hear("done/forwarded")),
            ),
        ),
        Way(
            "*70{box}",
            (
                *(Hear("vm-youhave"), Press("1"), Hear(MESSAGE), Press("8")),
                *(Hear("vm-extension"), Press("{other}#"), Hear("vm-forwardoptions"), Press("1")),
                *(Hear("beep", whole=True), Say(2), Press("#"), Hear("vm-msgforwarded")),
            ),
        ),
    ),
    Work(
        "change the PIN",
        Way(
            "*97",
            (
                *(Hear("count/you-have"), Press("5"), Hear("to/record-unavailable"), Press("3")),
                *(Hear("pin/enter-new"), Press("2469#"), Hear("pin/enter-again"), Press("2469#"), Hear("done/pin-set")),
            ),
        ),
        Way(
            "*70{box}",
            (
                *(Hear("vm-youhave"), Press("0"), Hear("vm-options"), Press("5"), Hear("vm-newpassword")),
                *(Press("2469#"), Hear("vm-reenterpassword"), Press("2469#"), Hear("vm-passchanged")),
            ),
        ),
    ),
    Work(
        "leave a message of 10 s",
        Way(
            "*76{box}",
            (Hear("greeting/person-at"), Press("#"), Hear("tone/beep", whole=True), Say(10)),
            own_phone=False,
        ),
        Way("*78{box}", (Hear("vm-theperson"), Press("#"), Hear("beep", whole=True), Say(10)), own_phone=False),
    ),
)


def _seeking(back: str, pause: str, behind: str) -> tuple[Step, ...]:
    """Two rewinds and a pause of two seconds; the message is over when `behind`, what is said behind it, begins."""
    seeking = (Listen(8), Press(back), Listen(5), Press(back), Listen(5), Press(pause), Listen(2), Press(pause))
    return (*seeking, Hear(behind))


SEEK = Work(
    "find a dictated number in 20 s: two rewinds and a pause",
    Way("*97", (Hear("count/you-have"), Press("1"), Hear(MESSAGE), *_seeking("5", "*", "envelope/received"))),
    Way("*70{box}", (Hear("vm-youhave"), Press("1"), Hear(MESSAGE), *_seeking("*", "0", "vm-advopts"))),
)


@dataclass(frozen=True, slots=True)
class Done:
    """Median seconds of a task, and how many of its runs, on the side where fewer did, came to their end."""

    name: str
    ours: float
    theirs: float
    runs: int


async def table() -> str:
    """All tasks, each the median of its runs."""
    rows = [*await measured(TASKS, 3), *await measured((SEEK,), 20)]
    lines = [
        "| task | runs | ours | app_voicemail | ours / app_voicemail |",
        "|---|---|---|---|---|",
        *(f"| {r.name} | {r.runs} | {r.ours:.1f} s | {r.theirs:.1f} s | {r.ours / r.theirs:.2f} |" for r in rows),
    ]
    return "\n".join(lines)


async def measured(tasks: tuple[Work, ...], message_s: int) -> list[Done]:
    """Median seconds of each task, ours and theirs, each run in a fresh box with three messages of `message_s`, the
    runs of one system at the same time."""
    boxes = {f"7{n:03}": 3 for n in range(1 + len(tasks) * RUNS)}
    lab = BenchLab(boxes, message_s=message_s, box={"vm_message_forward_type": "prepend_forward"})
    other, *fresh = boxes
    try:
        lab.furnish()
        lab.start()
        found = []
        for task in tasks:
            numbers, fresh = fresh[:RUNS], fresh[RUNS:]
            ours = await asyncio.gather(*(_tried(lab, task.ours, n, other, lab.site.sounds) for n in numbers))
            theirs = await asyncio.gather(*(_tried(lab, task.theirs, n, other, lab.their_sounds) for n in numbers))
            done = [[s for s in runs if s is not None] for runs in (ours, theirs)]
            found.append(Done(task.name, median(done[0]), median(done[1]), min(map(len, done))))
        return found
    finally:
        lab.stop()
        lab.remove()


async def _tried(lab: BenchLab, way: Way, box: str, other: str, sounds: Path) -> float | None:
    """Do it once, or not to the end, which is told and counted by its absence."""
    try:
        return await _run(lab, way, box, other, sounds)
    except (NotHeard, TimeoutError) as missed:
        print(f"box {box}: {missed}", file=sys.stderr)
        return None


async def _run(lab: BenchLab, way: Way, box: str, other: str, sounds: Path) -> float:
    """Seconds from dialling to the end of the last step."""
    message = Clip.from_wav(lab.audio, MESSAGE)
    words = {step.what for step in way.steps if isinstance(step, Hear)} - {MESSAGE}
    vocabulary = Vocabulary([*(Clip.from_wav(sounds / f"{word}.wav", word) for word in words), message])
    who = lab.phone("p" if way.own_phone else "s", box)
    async with Phone(*who, ("127.0.0.1", lab.site.sip_port), vocabulary=vocabulary) as phone:
        await phone.register()
        began = monotonic()
        call = await phone.dial(way.dial.format(box=box))
        since_s = 0.0
        for step in way.steps:
            match step:
                case Hear(what, whole):
                    heard = await call.hears(vocabulary[what], after_s=since_s, within_s=40, whole=whole)
                    since_s = heard.start_s + 0.02
                case Press(keys):
                    await call.press(keys.format(other=other), tone_ms=60, gap_ms=60)
                    since_s = call.position_s - 0.2
                case Say(seconds):
                    await call.say(speech(int(box), round(seconds * 1000)))
                case Listen(seconds):
                    await asyncio.sleep(seconds)
        done = monotonic()
        await call.hang_up()
        return done - began
