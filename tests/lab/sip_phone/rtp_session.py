"""The sound of a call: an RTP socket, and the 20 ms clock that speech and keys are sent by."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.lab.sip_phone import dtmf_events, ulaw
from tests.lab.sip_phone.dtmf_events import KeyEvent, KeyReceiver
from tests.lab.sip_phone.jitter_buffer import JitterBuffer
from tests.lab.sip_phone.rtp import PCMU, Packet
from tests.lab.sip_phone.sdp import EVENTS, SessionDescription
from tests.lab.sip_phone.ulaw import FRAME, RATE, SILENCE, Samples

_PAUSE_MS = 500
_FRAME_S = FRAME / RATE
Step = bytes | list[KeyEvent]
"""What 20 ms consist of: a frame of u-law, or the events of a key (none: as silence)."""


@dataclass
class _SendJob:
    steps: Iterator[Step]
    keys_left: int = 0
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def key_is_up(self) -> None:
        self.keys_left -= 1
        if self.keys_left == 0:
            self.finish()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class RtpSession(asyncio.DatagramProtocol):
    """Hears from the moment it is opened; sends, without a pause, from `start` to `stop`."""

    def __init__(self, on_packet: Callable[[], None]) -> None:
        self.playout = JitterBuffer()
        self.received = KeyReceiver()
        self.key_up_times: list[tuple[str, float]] = []
        self.key_up_at = 0
        """How many samples had been heard when the last key went up."""
        self._on_packet = on_packet
        self._jobs: deque[_SendJob] = deque()
        self._remote: SessionDescription | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(16)
        self._timestamp = self._key_timestamp = random.getrandbits(32)
        self._last_up: int | None = None

    async def open(self) -> None:
        """Binds a free port of 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]

    def start(self, remote: SessionDescription) -> None:
        """Sends to the other side from now on; again after a re-INVITE moved it."""
        self._remote = remote
        if self._timer is None:
            self._due = asyncio.get_running_loop().time()
            self._tick()

    def stop(self) -> None:
        """Stop sending and receiving; pending senders return."""
        if self._timer:
            self._timer.cancel()
        self._remote = None
        self._transport.close()
        while self._jobs:
            self._jobs.popleft().finish()

    async def say(self, samples: Samples) -> None:
        """Sends the samples in real time, after what is already being sent."""
        frames = ulaw.encode(samples)
        padded = (
            frames[at : at + len(SILENCE)].ljust(len(SILENCE), SILENCE[:1])
            for at in range(0, len(frames), len(SILENCE))
        )
        await self._run(_SendJob(padded))

    async def press(self, pressed: str, tone_ms: int, gap_ms: int) -> None:
        """Sends the keys; returns when the last one is up, its gap still to come."""
        dtmf_events.validate_keys(pressed, tone_ms)
        if self._remote and self._remote.telephone_event_payload is None:
            raise ValueError("the other side takes no telephone-events")
        # A pause at the end is waited for as if it were a key: the job is then done when it is used up.
        keys_left = len(pressed.replace(",", "")) + pressed.endswith(",")
        await self._run(_SendJob(self._key_steps(pressed, tone_ms, gap_ms), keys_left))

    async def _run(self, job: _SendJob) -> None:
        if self._remote is None:
            raise ConnectionError("the call is over")
        self._jobs.append(job)
        await job.done

    def _key_steps(self, pressed: str, tone_ms: int, gap_ms: int) -> Iterator[Step]:
        for key in pressed:
            if key == ",":
                yield from [SILENCE] * (_PAUSE_MS * RATE // 1000 // FRAME)
                continue
            self._key_timestamp = self._timestamp
            yield from dtmf_events.key_events(key, tone_ms, gap_ms)

    def _tick(self) -> None:
        """Sends what is due, all of it when we are late, and sets the clock to the next absolute time."""
        loop = asyncio.get_running_loop()
        while self._due <= loop.time():
            self._send_step(self._next_step())
            self._timestamp = self._timestamp + FRAME & 0xFFFFFFFF
            self._due += _FRAME_S
        self._timer = loop.call_at(self._due, self._tick)

    def _next_step(self) -> Step:
        while self._jobs:
            for step in self._jobs[0].steps:
                return step or SILENCE
            self._jobs.popleft().finish()
        return SILENCE

    def _send_step(self, step: Step) -> None:
        if isinstance(step, bytes):
            self._send(PCMU, self._timestamp, step, False)
            return
        events = (
            EVENTS
            if self._remote is None or self._remote.telephone_event_payload is None
            else self._remote.telephone_event_payload
        )
        for index, event in enumerate(step):
            first = self._key_timestamp == self._timestamp and index == 0
            self._send(events, self._key_timestamp, event.encode(), first)
            if event.end and self._key_timestamp != self._last_up:
                self._last_up = self._key_timestamp
                self.key_up_times.append((event.key, asyncio.get_running_loop().time()))
                self.key_up_at = len(self.playout.heard)
                self._jobs[0].key_is_up()

    def _send(self, payload_type: int, timestamp: int, payload: bytes, marker: bool) -> None:
        if self._remote:
            packet = Packet(payload_type, self._sequence, timestamp, self._ssrc, payload, marker)
            self._transport.sendto(packet.encode(), (self._remote.host, self._remote.port))
            self._sequence = self._sequence + 1 & 0xFFFF

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Sorts what came: audio, keys, or neither."""
        packet = Packet.parse(data)
        if packet and packet.payload_type == PCMU:
            self.playout.add_packet(packet, asyncio.get_running_loop().time())
        elif packet and packet.payload_type in {
            EVENTS,
            self._remote.telephone_event_payload if self._remote else EVENTS,
        }:
            self.received.handle_payload(packet.payload, packet.timestamp)
        self._on_packet()
