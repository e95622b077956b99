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

from bench.bench_lab import BenchLab
from tests.lab.sip_phone import Clip, ClipNotHeard, Phone, Vocabulary
from tests.lab.sip_phone.speech import speech

RUNS_PER_TASK = 5
MESSAGE = "the message"


@dataclass(frozen=True, slots=True)
class WaitForClip:
    """Recognise a prompt or the message; `whole`: hear it out."""

    clip: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class PressKeys:
    keys: str


@dataclass(frozen=True, slots=True)
class Speak:
    seconds: float


@dataclass(frozen=True, slots=True)
class LetPlay:
    """Let so much be heard."""

    seconds: float


TaskStep = WaitForClip | PressKeys | Speak | LetPlay


@dataclass(frozen=True, slots=True)
class TaskScript:
    """How a task is done in one system: what to dial ("{box}"), from whose phone, and the steps."""

    dial: str
    steps: tuple[TaskStep, ...]
    own_phone: bool = True


@dataclass(frozen=True, slots=True)
class BenchTask:
    name: str
    ours: TaskScript
    theirs: TaskScript


HEAR_WHOLE_MESSAGE = WaitForClip(MESSAGE, whole=True)
TASKS = (
    BenchTask(
        "hear the first new message",
        TaskScript("*97", (WaitForClip("count/you-have"), PressKeys("1"), HEAR_WHOLE_MESSAGE)),
        TaskScript("*70{box}", (WaitForClip("vm-youhave"), PressKeys("1"), HEAR_WHOLE_MESSAGE)),
    ),
    BenchTask(
        "hear and delete three",
        TaskScript(
            "*97",
            (
                WaitForClip("count/you-have"),
                PressKeys("1"),
                *(HEAR_WHOLE_MESSAGE, PressKeys("7"), WaitForClip("done/deleted")) * 3,
            ),
        ),
        TaskScript(
            "*70{box}",
            (
                *(
                    WaitForClip("vm-youhave"),
                    PressKeys("1"),
                    HEAR_WHOLE_MESSAGE,
                    PressKeys("7"),
                    WaitForClip("vm-deleted"),
                ),
                *(PressKeys("6"), HEAR_WHOLE_MESSAGE, PressKeys("7"), WaitForClip("vm-deleted")) * 2,
            ),
        ),
    ),
    BenchTask(
        "forward one with an introduction",
        TaskScript(
            "*97",
            (
                *(WaitForClip("count/you-have"), PressKeys("1"), WaitForClip(MESSAGE), PressKeys("3")),
                *(
                    WaitForClip("forward/enter-box"),
                    PressKeys("{other}#"),
                    WaitForClip("recipients/mailbox"),
                    PressKeys("1"),
                ),
                *(
                    WaitForClip("forward/intro"),
                    PressKeys("1"),
                    WaitForClip("tone/beep", whole=True),
                    Speak(2),
                    PressKeys("#"),
                ),
                *(WaitForClip("to/save-recording"), PressKeys("1"), WaitForClip("done/forwarded")),
            ),
        ),
        TaskScript(
            "*70{box}",
            (
                *(WaitForClip("vm-youhave"), PressKeys("1"), WaitForClip(MESSAGE), PressKeys("8")),
                *(WaitForClip("vm-extension"), PressKeys("{other}#"), WaitForClip("vm-forwardoptions"), PressKeys("1")),
                *(WaitForClip("beep", whole=True), Speak(2), PressKeys("#"), WaitForClip("vm-msgforwarded")),
            ),
        ),
    ),
    BenchTask(
        "change the PIN",
        TaskScript(
            "*97",
            (
                *(WaitForClip("count/you-have"), PressKeys("5"), WaitForClip("to/record-unavailable"), PressKeys("3")),
                *(
                    WaitForClip("pin/enter-new"),
                    PressKeys("2469#"),
                    WaitForClip("pin/enter-again"),
                    PressKeys("2469#"),
                    WaitForClip("done/pin-set"),
                ),
            ),
        ),
        TaskScript(
            "*70{box}",
            (
                *(
                    WaitForClip("vm-youhave"),
                    PressKeys("0"),
                    WaitForClip("vm-options"),
                    PressKeys("5"),
                    WaitForClip("vm-newpassword"),
                ),
                *(
                    PressKeys("2469#"),
                    WaitForClip("vm-reenterpassword"),
                    PressKeys("2469#"),
                    WaitForClip("vm-passchanged"),
                ),
            ),
        ),
    ),
    BenchTask(
        "leave a message of 10 s",
        TaskScript(
            "*76{box}",
            (WaitForClip("greeting/person-at"), PressKeys("#"), WaitForClip("tone/beep", whole=True), Speak(10)),
            own_phone=False,
        ),
        TaskScript(
            "*78{box}",
            (WaitForClip("vm-theperson"), PressKeys("#"), WaitForClip("beep", whole=True), Speak(10)),
            own_phone=False,
        ),
    ),
)


def _seek_script(back: str, pause: str, next_prompt: str) -> tuple[TaskStep, ...]:
    """Two rewinds and a pause of two seconds; the message is over when the clip `behind` starts."""
    seeking = (
        LetPlay(8),
        PressKeys(back),
        LetPlay(5),
        PressKeys(back),
        LetPlay(5),
        PressKeys(pause),
        LetPlay(2),
        PressKeys(pause),
    )
    return (*seeking, WaitForClip(next_prompt))


SEEK_TASK = BenchTask(
    "find a dictated number in 20 s: two rewinds and a pause",
    TaskScript(
        "*97",
        (
            WaitForClip("count/you-have"),
            PressKeys("1"),
            WaitForClip(MESSAGE),
            *_seek_script("5", "*", "envelope/received"),
        ),
    ),
    TaskScript(
        "*70{box}",
        (WaitForClip("vm-youhave"), PressKeys("1"), WaitForClip(MESSAGE), *_seek_script("*", "0", "vm-advopts")),
    ),
)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Median seconds of a task, and how many of its runs, on the side where fewer did, came to their end."""

    name: str
    ours: float
    theirs: float
    runs: int


async def table() -> str:
    """All tasks, each the median of its runs."""
    rows = [*await measure_tasks(TASKS, 3), *await measure_tasks((SEEK_TASK,), 20)]
    lines = [
        "| task | runs | ours | app_voicemail | ours / app_voicemail |",
        "|---|---|---|---|---|",
        *(f"| {r.name} | {r.runs} | {r.ours:.1f} s | {r.theirs:.1f} s | {r.ours / r.theirs:.2f} |" for r in rows),
    ]
    return "\n".join(lines)


async def measure_tasks(tasks: tuple[BenchTask, ...], message_s: int) -> list[TaskResult]:
    """Median seconds of each task, ours and theirs, each run in a fresh box with three messages of `message_s`, the
    runs of one system at the same time."""
    boxes = {f"7{n:03}": 3 for n in range(1 + len(tasks) * RUNS_PER_TASK)}
    lab = BenchLab(boxes, message_s=message_s, box={"vm_message_forward_type": "prepend_forward"})
    other, *fresh = boxes
    try:
        lab.create_data()
        lab.start()
        found = []
        for task in tasks:
            numbers, fresh = fresh[:RUNS_PER_TASK], fresh[RUNS_PER_TASK:]
            ours = await asyncio.gather(*(_try_run(lab, task.ours, n, other, lab.site.sounds) for n in numbers))
            theirs = await asyncio.gather(*(_try_run(lab, task.theirs, n, other, lab.asterisk_sounds) for n in numbers))
            done = [[s for s in runs if s is not None] for runs in (ours, theirs)]
            found.append(TaskResult(task.name, median(done[0]), median(done[1]), min(map(len, done))))
        return found
    finally:
        lab.stop()
        lab.remove()


async def _try_run(lab: BenchLab, script: TaskScript, box: str, other: str, sounds: Path) -> float | None:
    """Do it once, or not to the end, which is told and counted by its absence."""
    try:
        return await _run(lab, script, box, other, sounds)
    except (ClipNotHeard, TimeoutError) as missed:
        print(f"box {box}: {missed}", file=sys.stderr)
        return None


async def _run(lab: BenchLab, script: TaskScript, box: str, other: str, sounds: Path) -> float:
    """Seconds from dialling to the end of the last step."""
    message = Clip.from_wav(lab.audio, MESSAGE)
    words = {step.clip for step in script.steps if isinstance(step, WaitForClip)} - {MESSAGE}
    vocabulary = Vocabulary.for_prompts(sounds, words, message)
    who = lab.phone_credentials("p" if script.own_phone else "s", box)
    async with Phone(*who, ("127.0.0.1", lab.site.sip_port), vocabulary=vocabulary) as phone:
        await phone.register()
        began = monotonic()
        call = await phone.dial(script.dial.format(box=box))
        since_s = 0.0
        for step in script.steps:
            match step:
                case WaitForClip(what, whole):
                    heard = await call.wait_for_clip(vocabulary[what], after_s=since_s, within_s=40, whole=whole)
                    since_s = heard.start_s + 0.02
                case PressKeys(keys):
                    await call.press(keys.format(other=other), tone_ms=60, gap_ms=60)
                    since_s = call.position_s - 0.2
                case Speak(seconds):
                    await call.say(speech(int(box), round(seconds * 1000)))
                case LetPlay(seconds):
                    await asyncio.sleep(seconds)
        done = monotonic()
        await call.hang_up()
        return done - began
