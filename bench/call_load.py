"""What a call costs: CPU seconds and memory of Asterisk and the service while many listen at a time; load from SIPp."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.bench_lab import BenchLab

SCENARIO = Path(__file__).with_name("listen.xml")
ROUNDS = 3
AGI_PROCESS_END_TIMEOUT_S = 60
PLAYBACK_TARGETS = {"ours": "*97", "app_voicemail": "*74{number}", "Playback": "*75"}
"""All three play the same message; *74 is VoiceMailMain that plays its folder at once, *75 is bare `Playback`."""
DIALPLAN = """
[from-phones](+)
exten => _*74X!,1,VoiceMailMain(${{EXTEN:3}}@bench,sa(0))
 same => n,Hangup()
exten => *75,1,Answer()
 same => n,Playback({sound})
 same => n,Playback({sound})
 same => n,Playback({sound})
 same => n,Hangup()
"""


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """How many new calls a second, each listening so long."""

    calls_per_s: int = 20
    listen_s: int = 20

    def timeout_s(self, calls: int) -> int:
        return calls // self.calls_per_s + self.listen_s + 60

    @property
    def message_s(self) -> int:
        """Of a message that is longer than anybody listens."""
        return self.listen_s + 10


@dataclass(frozen=True, slots=True)
class LoadCost:
    """Of one load: CPU seconds and bytes (proportional set size), each of Asterisk and of the service."""

    asterisk_s: float
    service_s: float
    asterisk_bytes: int
    service_bytes: int
    failed: int


def require_sipp() -> None:
    """Raises SystemExit with the remedy."""
    if not shutil.which("sipp"):
        raise SystemExit("sipp is not installed: apt install sip-tester")


def add_dialplan(lab: BenchLab) -> None:
    """Adds the numbers of `WAYS`; before the start."""
    with (lab.site.folder / "etc" / "extensions.conf").open("a") as file:
        file.write(DIALPLAN.format(sound=lab.audio.with_suffix("")))


def run_listeners(lab: BenchLab, target: str, dials: str, calls: int, pace: LoadProfile = LoadProfile()) -> LoadCost:
    """`calls` at a time listen; what that cost, from the first INVITE to the last BYE.

    `way`: what `dials` leads to, in which {number} is a caller's own.
    """
    before, others = _cpu_s(lab), _children(lab.pids()[0])
    users = lab.folder / f"users-{target}.csv"
    lines = [_sip_user(lab, number, dials.format(number=number)) for number in list(lab.boxes)[:calls]]
    users.write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    sipp = subprocess.Popen(
        ["sipp", "-sf", str(SCENARIO), "-inf", str(users), "-m", str(calls), "-l", str(calls),
         "-r", str(pace.calls_per_s), "-d", str(1000 * pace.listen_s), "-timeout", f"{pace.timeout_s(calls)}s",
         "-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin",
         f"127.0.0.1:{lab.site.sip_port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=lab.folder,
    )  # fmt: skip
    heaviest = [0, 0]
    while sipp.poll() is None:
        heaviest = [max(pair) for pair in zip(heaviest, _memory(lab), strict=True)]
        try:
            sipp.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
    _wait_for_agi_processes(lab, others)
    after = _cpu_s(lab)
    return LoadCost(after[0] - before[0], after[1] - before[1], heaviest[0], heaviest[1], int(sipp.returncode != 0))


HEADINGS = (
    "| calls at a time | CPU ms a call: Playback | app_voicemail | ours (Asterisk + service) |"
    " over Playback: app_voicemail | ours | ours / app_voicemail |"
)


def cost_table(lab: BenchLab, calls: list[int]) -> Iterator[str]:
    """A table, line by line, of CPU ms a call, less those of bare Playback where that is said; then memory."""
    yield from (HEADINGS, "|---|---|---|---|---|---|---|")
    for count in calls:
        found = {
            way: [run_listeners(lab, way, dials, count) for _ in range(ROUNDS)]
            for way, dials in PLAYBACK_TARGETS.items()
        }
        ms = {way: median(1000 * (c.asterisk_s + c.service_s) / count for c in costs) for way, costs in found.items()}
        service_ms = median(1000 * cost.service_s / count for cost in found["ours"])
        over = {way: ms[way] - ms["Playback"] for way in ("app_voicemail", "ours")}
        ratio = f"{ms['ours'] / ms['app_voicemail']:.2f}"
        failed = sum(cost.failed for costs in found.values() for cost in costs)
        yield (
            f"| {count}{f', {failed} rounds had failed calls' if failed else ''} | {ms['Playback']:.0f} |"
            f" {ms['app_voicemail']:.0f} | {ms['ours']:.0f} (service: {service_ms:.0f}) |"
            f" {over['app_voicemail']:.0f} | {over['ours']:.0f} | {ratio} |"
        )
    yield f"\n{_memory_table(lab, max(calls))}"


def _memory_table(lab: BenchLab, calls: int) -> str:
    idle = _memory(lab)
    ours, theirs = (run_listeners(lab, way, PLAYBACK_TARGETS[way], calls) for way in ("ours", "app_voicemail"))
    grown = (ours.asterisk_bytes - idle[0] + ours.service_bytes - idle[1]) / calls / 1024
    grown_theirs = (theirs.asterisk_bytes - idle[0]) / calls / 1024
    both = f"ours {grown:.0f} KB (Asterisk and service), app_voicemail {grown_theirs:.0f} KB"
    return f"Memory a call at {calls} calls: {both}."


def _sip_user(lab: BenchLab, number: str, dials: str) -> str:
    user, password = lab.phone_credentials("p", number)
    return f"{user};[authentication username={user} password={password}];{dials}"


def _wait_for_agi_processes(lab: BenchLab, others: list[int]) -> None:
    """A program of classic AGI has something to do after its call. Asterisk has `others` that go on."""
    asterisk, _ = lab.pids()
    deadline = time.monotonic() + AGI_PROCESS_END_TIMEOUT_S
    while (
        any(_proc_stat(pid)[:1] not in ([], ["Z"]) for pid in _children(asterisk) if pid not in others)
        and time.monotonic() < deadline
    ):
        time.sleep(0.2)


def _cpu_s(lab: BenchLab) -> tuple[float, float]:
    """Of Asterisk, with all that it started, and of the service."""
    asterisk, service = lab.pids()
    programs = sum(
        map(_cpu_ticks, _children(asterisk))
    )  # Asterisk takes note of those that ended when it has the time.
    second = os.sysconf("SC_CLK_TCK")
    return (_cpu_ticks(asterisk) + programs) / second, _cpu_ticks(service) / second


def _children(pid: int) -> list[int]:
    everybody = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [one for one in everybody if _proc_stat(one)[1:2] == [str(pid)]]


def _cpu_ticks(pid: int) -> int:
    return sum(map(int, _proc_stat(pid)[11:15]))


def _proc_stat(pid: int) -> list[str]:
    """What the kernel tells of a process, from its state on; nothing of one that is gone."""
    return _read_text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _memory(lab: BenchLab) -> list[int]:
    return [_proportional_set_size(pid) for pid in lab.pids()]


def _proportional_set_size(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
