"""What a peer may send: a pure function of random numbers, so that a seed gives the same again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

SECRET = "5ec2e7"
KEYS = "0123456789*#"
TRUNCATE = "cut"
"""The peer ends its side of the connection."""
ABORT = "abort"
"""The peer is gone without a word."""


@dataclass(frozen=True, slots=True)
class GarbagePeer:
    """One connection: what it opens with, how it answers each command, and how it leaves."""

    kind: str
    first_bytes: bytes
    replies: tuple[bytes | None, ...]
    """To one command each; None: as a well Asterisk would, with no key."""
    closing: str


def random_peer(random: Random) -> GarbagePeer:
    """Any peer."""
    return random.choice(KINDS)(random)


def _random_bytes(random: Random) -> GarbagePeer:
    return GarbagePeer("noise", random.randbytes(random.randrange(2000)), (), _closing(random))


def _random_lines(random: Random) -> GarbagePeer:
    lines = (random.randbytes(random.randrange(60)) for _ in range(random.randrange(40)))
    return GarbagePeer("lines of noise", b"\n".join(lines) + b"\n\n", (), _closing(random))


def _other_protocol(random: Random) -> GarbagePeer:
    opening = random.choice(
        [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9 + b"\n",
            b"SSH-2.0-x\r\n",
            b"OPTIONS sip:x SIP/2.0\r\n\r\n",
            b"Action: Login\r\n\r\n",
            b"EHLO x\r\n",
            b"\0" * 70_000,
        ]
    )
    return GarbagePeer("another protocol", opening, (), _closing(random))


def _truncated_header(random: Random) -> GarbagePeer:
    whole = header(random)
    return GarbagePeer("half a header", whole[: random.randrange(len(whole))], (), _closing(random))


def _corrupted_header(random: Random) -> GarbagePeer:
    """One to twenty bytes of a header are others, are missing, or are there twice."""
    bent = bytearray(header(random))
    for _ in range(random.randrange(1, 20)):
        at = random.randrange(len(bent))
        match random.randrange(3):
            case 0:
                bent[at] = random.randrange(256)
            case 1:
                del bent[at]
            case _:
                bent[at:at] = bent[at : at + random.randrange(30)]
    return GarbagePeer("a bent header", bytes(bent) + b"\n\n", _replies(random, 0.05), _closing(random))


def _unexpected_arguments(random: Random) -> GarbagePeer:
    odd = tuple(f"agi_arg_{n}: {_unexpected_word(random)}".encode() for n in range(2, 2 + random.randrange(1, 12)))
    return GarbagePeer("odd arguments", header(random, odd), _replies(random, 0.05), _closing(random))


def _overlong_line(random: Random) -> GarbagePeer:
    size = random.choice([5_000, 70_000, 300_000])
    return GarbagePeer("a long line", header(random)[:-1] + b"agi_arg_9: " + b"x" * size, (), _closing(random))


def _unexpected_replies(random: Random) -> GarbagePeer:
    return GarbagePeer(
        "odd answers", header(random), _replies(random, random.choice([0.02, 0.1, 0.5])), _closing(random)
    )


def _random_key_presses(random: Random) -> GarbagePeer:
    return GarbagePeer("any keys", header(random), _replies(random, 0), _closing(random))


KINDS: tuple[Callable[[Random], GarbagePeer], ...] = (
    _random_bytes,
    _random_lines,
    _other_protocol,
    _truncated_header,
    _corrupted_header,
    _unexpected_arguments,
    _overlong_line,
    _unexpected_replies,
    _random_key_presses,
)


def header(random: Random, more: tuple[bytes, ...] = ()) -> bytes:
    """A header block that is right, of an owner's phone or a stranger's."""
    channel = random.choice(["PJSIP/alice-00000001", "PJSIP/trunk-00000002", "Local/x@y-1;2"])
    lines = [
        b"agi_network: yes",
        b"agi_network_script: " + random.choice([b"check", b"leave"]),
        b"agi_channel: " + channel.encode(),
        b"agi_callerid: 5550100",
        b"agi_calleridname: unknown",
        b"agi_language: en",
        b"agi_arg_1: account=demo",
        *more,
        *random.choice([(), (b"agi_arg_20: number=1000",)]),
    ]
    return b"\n".join(lines) + b"\n\n"


def _replies(random: Random, unexpected_count: float) -> tuple[bytes | None, ...]:
    """`odd`: how many of them are not what Asterisk would say."""
    return tuple(
        _unexpected_reply(random) if random.random() < unexpected_count else _valid_reply(random)
        for _ in range(random.randrange(60))
    )


def _valid_reply(random: Random) -> bytes | None:
    if random.random() < 0.5:
        return None
    key = random.choice(KEYS)
    return f"200 result={ord(key)} endpos={random.randrange(40_000)}\n".encode()


def _unexpected_reply(random: Random) -> bytes:
    return random.choice(
        [
            b"HANGUP\n",
            b"\n",
            b"200\n",
            b"200 result=\n",
            b"200 result=-1 endpos=0\n",
            b"200 result=99999\n",
            b"200 result=1 ()\n",
            b"200 result=1 (" + b"y" * random.choice([10, 9000]) + b")\n",
            b"510 Invalid or unknown command\n",
            b"511 Command Not Permitted on a dead channel\n",
            b"520-Invalid command syntax.\nUsage: x\n520 End of proper usage.\n",
            b"520-never ends\n",
            b"200 result=0 endpos=-5\n",
            b"200 result=0 endpos=99999999999999999999\n",
            b"200 result=0\n200 result=0\n",
            random.randbytes(random.randrange(1, 80)) + b"\n",
            b"100 result=0 Trying\n",
            b"200 result=\xff\xfe\n",
        ]
    )


def _unexpected_word(random: Random) -> str:
    name = random.choice(
        [
            "account",
            "number",
            "id",
            "var",
            "language",
            "reason",
            "max_message_length",
            "interdigit_timeout",
            "action",
            "skip_module",
            "single_mailbox_login",
            "callerid_match_login",
            "colour",
            "",
        ]
    )
    value = random.choice(
        [
            "",
            "true",
            "-1",
            "9" * 40,
            '"',
            "\\",
            "${X}",
            "'; --",
            "\t",
            "é",
            "\x01",
            "9" * 5000,
            "1000",
            "0x10",
            "%s%n",
            "NaN",
        ]
    )
    return random.choice([f"{name}={value}", name, value, f"{name}=={value}", f"{name}={value}={value}"])


def _closing(random: Random) -> str:
    return random.choice([TRUNCATE, ABORT])
