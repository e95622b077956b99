"""What people did and were confirmation in one run, and whether the installation still knows of it afterwards."""

from __future__ import annotations

import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.lab.sip_phone import RATE, Samples
from tests.lab.sip_phone.correlation import Correlator

BUFFERED_S = 2.1
"""What Asterisk has not written yet when it is killed."""
TOLERANCE_S = 0.4
"""RTP on its way, and the 200 ms that Asterisk takes off for the tone of a key."""
MIN_MESSAGE_S = 0.5
"""Shorter recordings are not kept."""
WINDOW_S = 0.7
MATCH_THRESHOLD = 0.7

StoredRecording = Mapping[str, Any]


@dataclass
class ExpectedRecording:
    """Something said into a recording: into which box, and what."""

    box: str
    samples: Samples
    began_s: float
    """Monotonic: the beep is over."""
    ended_s: float | None = None
    """The caller pressed a key or hung up; None: never came to it."""
    confirmed: bool = False

    def min_preserved_s(self, killed_s: float, victim: str) -> float:
        """How much of it must be kept at least."""
        length_s = len(self.samples) / RATE
        ended_s = self.ended_s if self.ended_s is not None else killed_s
        if self.confirmed or ended_s < killed_s - TOLERANCE_S:
            return min(length_s, ended_s - self.began_s) - TOLERANCE_S
        if victim == "service":
            # Killed before Asterisk had its command: whether it started to record is unknown.
            began = killed_s > self.began_s + TOLERANCE_S
            return min(length_s, ended_s - self.began_s) - TOLERANCE_S if began else 0.0
        return min(killed_s - self.began_s, length_s) - BUFFERED_S - TOLERANCE_S


@dataclass
class ExpectedFolder:
    """The owner heard that this message is in this folder."""

    box: str
    message_id: str
    folder: str


@dataclass
class ExpectedForward:
    """A message sent on; `intro` is what was said before it."""

    box: str
    original: Samples
    confirmed: bool = False
    intro: ExpectedRecording | None = None


@dataclass
class ExpectedGreeting:
    """What an owner recorded for callers to hear."""

    spoken: ExpectedRecording
    accepted: bool = False
    """The owner pressed the key that puts it in use."""


@dataclass
class Expectations:
    """All of one run."""

    recordings: list[ExpectedRecording] = field(default_factory=list)
    initial_messages: list[tuple[str, str]] = field(default_factory=list)
    """Box and id of messages that were in the boxes when the run began."""
    folders: list[ExpectedFolder] = field(default_factory=list)
    forwards: list[ExpectedForward] = field(default_factory=list)
    greetings: list[ExpectedGreeting] = field(default_factory=list)
    is_recording: bool = False
    """A recording is in progress."""

    def violations(
        self,
        boxes: Mapping[str, Sequence[StoredRecording]],
        killed_s: float,
        victim: str,
        greetings: Sequence[StoredRecording] = (),
    ) -> list[str]:
        """What is not as it was announced; `boxes` has the messages of each box, `greetings` those of the owner's."""
        found = [text for rows in boxes.values() for row in rows for text in _unplayable(row)]
        for box, message_id in self.initial_messages:
            times = [row["id"] for row in boxes[box]].count(message_id)
            if times != 1:
                found.append(f"message {message_id} is there {times} times")
        for filed in self.folders:
            folders = [row["folder"] for row in boxes[filed.box] if row["id"] == filed.message_id]
            if folders != [filed.folder]:
                found.append(f"message {filed.message_id} was announced as {filed.folder} and is in {folders}")
        for spoken in self.recordings:
            found += _recording_violations(
                spoken, [row["audio"][-1] for row in boxes[spoken.box]], killed_s, victim, "message"
            )
        for sent in self.forwards:
            found += self._forward_violations(sent, boxes[sent.box], killed_s, victim)
        for greeting in self.greetings:
            found += _greeting_violations(greeting, greetings, killed_s, victim)
        return found

    @property
    def spoken(self) -> list[ExpectedRecording]:
        """All that was said."""
        return [
            *self.recordings, *(sent.intro for sent in self.forwards if sent.intro),
            *(greeting.spoken for greeting in self.greetings),
        ]  # fmt: skip

    def summary(self, killed_s: float) -> str:
        """What had come of it when it was interrupted, for the person who reads the runs."""
        spoken_samples = self.spoken
        parts = [
            f"{max(0.0, killed_s - one.began_s):.1f} s into {len(one.samples) / RATE:.1f} s of speech"
            for one in spoken_samples
        ]
        announced = (
            sum(one.confirmed for one in spoken_samples)
            + len(self.folders)
            + sum(sent.confirmed for sent in self.forwards)
        )
        return ", ".join([*parts, f"{announced} announced"])

    def _forward_violations(
        self, sent: ExpectedForward, rows: Sequence[StoredRecording], killed_s: float, victim: str
    ) -> list[str]:
        copies = [row for row in rows if contains_beginning(sent.original, row["audio"][-1])]
        if len(copies) > 1 or (sent.confirmed and not copies):
            return [f"forwarded (announced: {sent.confirmed}), and there are {len(copies)} copies"]
        if sent.intro is None:
            return []
        intros = [row["audio"][0] for row in copies if len(row["audio"]) == 2]
        return _recording_violations(sent.intro, intros, killed_s, victim, "intro")


def _greeting_violations(
    greeting: ExpectedGreeting, rows: Sequence[StoredRecording], killed_s: float, victim: str
) -> list[str]:
    """In use or put aside, once; in use only if its owner said so, and certainly if they were confirmation so."""
    found = [text for row in rows for text in _unplayable(row)]
    if found:
        return found
    found = _recording_violations(greeting.spoken, [row["audio"][0] for row in rows], killed_s, victim, "greeting")
    in_use = any(row["in_use"] and contains_beginning(greeting.spoken.samples, row["audio"][0]) for row in rows)
    if in_use and not greeting.accepted:
        found.append("a greeting is in use that its owner never chose")
    if greeting.spoken.confirmed and not in_use:
        found.append("a greeting was announced as in use, and is not")
    return found


def _recording_violations(
    spoken: ExpectedRecording, files: Sequence[str], killed_s: float, victim: str, what: str
) -> list[str]:
    wanted_s = spoken.min_preserved_s(killed_s, victim)
    heard = [file for file in files if contains_beginning(spoken.samples, file)]
    if len(heard) > 1:
        return [f"what was said is there {len(heard)} times as {what}"]
    if wanted_s < max(MIN_MESSAGE_S, WINDOW_S + 0.2):
        return []
    if not heard:
        confirmation = "announced" if spoken.confirmed else "never announced"
        return [f"{wanted_s:.1f} s of what was said ({confirmation}) must be there as {what}, and nothing is"]
    end = round(wanted_s * RATE)
    tail = spoken.samples[max(0, end - round(WINDOW_S * RATE)) : end]
    if not _contains_window(tail, heard[0]):
        return [
            f"the {what} lacks what was said at {wanted_s:.1f} s: {_read_samples(heard[0]).size / RATE:.1f} s are there"
        ]
    return []


def contains_beginning(spoken_samples: Samples, file: str) -> bool:
    """Whether the first part of what was said is in the recording."""
    return _contains_window(spoken_samples[round(0.1 * RATE) : round((0.1 + WINDOW_S) * RATE)], file)


def _contains_window(window: Samples, file: str) -> bool:
    samples = _read_samples(file)
    return samples.size >= window.size and bool(Correlator([window]).peaks(samples, MATCH_THRESHOLD))


def _read_samples(file: str) -> Samples:
    with wave.open(file) as recording:
        return np.frombuffer(recording.readframes(recording.getnframes()), "<i2").astype(np.int16)


def _unplayable(row: StoredRecording) -> list[str]:
    """A row without its file, or a file whose header does not tell its true length."""
    found = []
    for file in row["audio"]:
        if not Path(file).exists():
            found.append(f"message {row['id']} points to {file}, which is not there")
        elif _read_samples(file).size * 2 + 44 != Path(file).stat().st_size:
            found.append(f"the header of {file} does not tell its length")
    return found
