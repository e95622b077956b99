"""How well each engine that is installed here understands twenty sentences over the telephone.

`python -m bench.transcription [--whisper FOLDER] [--vosk FOLDER] [--command COMMAND]`: the word error rate, in percent,
of sentences that flite speaks with two voices, at 8 kHz and in the telephone's band, and of the longer messages of the
demo. Needs flite and sox.
"""

from __future__ import annotations

import re
import tempfile
import time
import tomllib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from ivr.audio import wav
from ivr.errors import IvrError
from ivr.notifications.transcription.engines import Recognizer, load_engine
from ivr.prompts.recording.flite import FliteSpeaker

DEMO = Path(__file__).parents[1] / "sounds" / "demo"
VOICES = (FliteSpeaker("slt"), FliteSpeaker("rms", 1.1))
SENTENCES = (
    "Hello, this is the dentist, your appointment has moved to Thursday morning.",
    "Please call me back when you have a minute.",
    "The delivery will arrive tomorrow before noon.",
    "I am running late, please start the meeting without me.",
    "Your car is ready and you can pick it up today.",
    "Could you send me the report before the end of the week?",
    "We would like to confirm your order of twelve boxes.",
    "It is your mother, do not forget dinner on Sunday.",
    "The office will be closed on Monday because of the holiday.",
    "My new telephone number is two five five seven one.",
    "There is a problem with the invoice, please get in touch.",
    "Thank you for your help last week, it was very kind of you.",
    "The plumber cannot come today, he will be there on Friday.",
    "I left my keys at your house, can you look for them?",
    "The train leaves at half past nine from platform four.",
    "We have found your wallet, you can collect it at the front desk.",
    "Please water the plants while we are away.",
    "The doctor would like to see you again in two weeks.",
    "I am calling about the apartment that you offered in the newspaper.",
    "Happy birthday, I hope you have a wonderful day.",
)


def main(whisper: Path | None = None, vosk: Path | None = None, command: str = "") -> None:
    """One row an engine."""
    for voice in VOICES:
        voice.require()
    print("| engine | words wrong: sentences | words wrong: demo messages | s of computing a s of speech |")
    print("|---|---|---|---|")
    for name, model, wanted in (
        ("pocketsphinx", None, True), ("whisper", whisper, whisper), ("vosk", vosk, vosk), ("command", None, command),
    ):  # fmt: skip
        if not wanted:
            print(f"| {name} | not tried: --{name} | | |")
            continue
        try:
            print(engine_row(name, load_engine(name, model, command)))
        except IvrError as error:
            print(f"| {name} | not here: {error} | | |")


def engine_row(name: str, recognize: Recognizer) -> str:
    """What one engine makes of all that is spoken."""
    short, s_a_s = measure_engine(recognize, synthesised_sentences())
    long, _ = measure_engine(recognize, demo_messages())
    return f"| {name} | {short:.0f} % | {long:.0f} % | {s_a_s:.2f} |"


def measure_engine(recognize: Recognizer, messages: Iterable[tuple[str, Path]]) -> tuple[float, float]:
    """The word error rate in percent, and the seconds of computing a second of speech."""
    wrong = words = 0
    speech_s = computing_s = 0.0
    for said, path in messages:
        began = time.process_time()
        heard = recognize(path, "en").text
        computing_s += time.process_time() - began
        speech_s += wav.length_ms(path) / 1000
        wrong += word_edit_distance(split_words(said), split_words(heard))
        words += len(split_words(said))
    return 100 * wrong / words, computing_s / speech_s


def demo_messages() -> Iterator[tuple[str, Path]]:
    """The messages of the demo, as they were recorded."""
    for message in tomllib.loads((DEMO / "demo.toml").read_text())["message"]:
        yield message["text"], DEMO / message["file"]


def synthesised_sentences() -> Iterator[tuple[str, Path]]:
    """Each sentence in each voice, as a message would be kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "message.wav"
        for voice in VOICES:
            for sentence in SENTENCES:
                wav.write(path, array("h", map(round, voice.speak(sentence))).tobytes())
                yield sentence, path


def split_words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def word_edit_distance(expected: list[str], heard: list[str]) -> int:
    """Words put in, left out or changed, at least (Levenshtein)."""
    before = list(range(len(heard) + 1))
    for n, word in enumerate(expected, 1):
        now = [n]
        for m, other in enumerate(heard, 1):
            now.append(min(before[m] + 1, now[m - 1] + 1, before[m - 1] + (word != other)))
        before = now
    return before[-1]


if __name__ == "__main__":
    typer.run(main)
