"""Inputs of the fuzzer: valid examples and growing inputs that are changed at random, from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

PUNCTUATION = tuple(bytes([character]) for character in b"\0\n\"'\\<>()[]{},;:=&%@-+#* \t")
LONGER = (
    b"\r\n",
    b"\r\n\r\n",
    b"((((",
    b"::",
    b"%00",
    b"%2e%2e",
    b"--",
    b"../",
    b"${SHELL(id)}",
    b"\x1b[2J",
    b"(a" * 32,
)
NUMBERS = (b"0", b"1", b"-1", b"1e999", b"NaN", b"null", b"9" * 19, b"9" * 400, b"\xff", b"\x80\0\0\0")
CHARACTERS = ("é", "\u202e", "\uff11\uff12", "\u0130", "\U0001d7d9", "\\ud800", "=?utf-8?b?4pyT?=", "xn--")
TOKENS = (
    *(*PUNCTUATION, *LONGER, *NUMBERS, *(text.encode() for text in CHARACTERS)),
    *(b"\xc3", b"\xed\xa0\x80", b"a" * 64, b"(a" * 32, b"RIFF", b"data", b"fmt "),
)
"""What is special in one of the formats."""
MAX_REPETITIONS = 2000


NUMBER = b"{n}"
SHARE_OF_REPETITIONS = 0.3


@dataclass(frozen=True)
class Repetition:
    """An input that can be as long as its parser accepts: `unit` again and again, between `start` and `end`.

    `NUMBER` in the unit is the number of the copy: no two are alike.
    """

    start: bytes
    unit: bytes
    end: bytes = b""

    def build(self, max_bytes: int) -> bytes:
        """Return the longest such input of at most `max_bytes`; one copy if not even that is short enough."""
        room = max_bytes - len(self.start) - len(self.end)
        number_bytes = len(str(max(1, room // len(self.unit)))) if NUMBER in self.unit else 0
        copies = max(1, room // (len(self.unit.replace(NUMBER, b"")) + self.unit.count(NUMBER) * number_bytes))
        if not number_bytes:
            return self.start + self.unit * copies + self.end
        return self.start + b"".join(self.unit.replace(NUMBER, b"%d" % n) for n in range(copies)) + self.end


def mutate(
    rng: random.Random, examples: Sequence[bytes], max_bytes: int, repetitions: Sequence[Repetition] = ()
) -> bytes:
    """Return an example, or a repetition of any length, with up to eight random changes, at most `max_bytes` long."""
    if repetitions and rng.random() < SHARE_OF_REPETITIONS:
        text = bytearray(rng.choice(repetitions).build(int(max_bytes ** rng.random())))
    else:
        text = bytearray(rng.choice(examples))
    for _ in range(rng.randint(1, 8)):
        start = rng.randint(0, len(text))
        stop = min(len(text), start + rng.choice((0, 1, 1, 2, 4, 16, 64)))
        match rng.randint(0, 6):
            case 0:
                text[start:stop] = b""
            case 1:
                text[start:stop] = rng.choice(TOKENS)
            case 2:
                text[start:start] = rng.choice(TOKENS) * rng.choice((1, 2, 10, 100, MAX_REPETITIONS))
            case 3:
                text[start:start] = text[start:stop] * rng.choice((1, 2, 10, 100, MAX_REPETITIONS))
            case 4:
                text[start:stop] = rng.randbytes(stop - start)
            case 5:
                other = rng.choice(examples)
                text[start:stop] = other[rng.randint(0, len(other)) :]
            case _ if start < len(text):
                text[start] ^= 1 << rng.randint(0, 7)
        del text[max_bytes:]
    return bytes(text)
