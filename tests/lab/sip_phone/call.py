"""A call that is up, or was: keys, speech, and what is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from tests.lab.sip_phone.clip_recognition import Clip, RecognisedClip, recognised_clip
from tests.lab.sip_phone.clip_watch import ClipWatch
from tests.lab.sip_phone.dialog import ALLOW, Dialog
from tests.lab.sip_phone.errors import ClipNotHeard, NotHungUp, SipTimeout
from tests.lab.sip_phone.jitter_buffer import PacketArrival
from tests.lab.sip_phone.phone_state import PhoneState
from tests.lab.sip_phone.rtp_session import RtpSession
from tests.lab.sip_phone.sdp import CONTENT_TYPE, SessionDescription
from tests.lab.sip_phone.sip_message import SipAddress, SipMessage
from tests.lab.sip_phone.transactions import Peer
from tests.lab.sip_phone.ulaw import RATE, Samples

_PAUSE_DETECTION_S = 0.2  # no packet for so long: no more audio is coming for now
_MAX_SPEECH_S = 20 * RATE  # no prompt is longer
_POLL_INTERVAL = 480  # samples of new audio that a look is worth


def _loop_time() -> float:
    """By the clock that the media go by."""
    return asyncio.get_running_loop().time()


class PhoneCall:
    """One call. Every position in it is in seconds of `heard`, which begins with the first packet received."""

    def __init__(self, line: PhoneState, dialog: Dialog, media: RtpSession, local: SessionDescription) -> None:
        self.is_up = False
        """Both sides can hear each other: since the answer, or since there was early media."""
        self.answered_s: float | None = None
        """Seconds of `heard` when it was answered; None: not yet, or never."""
        self._cancel: Callable[[], Awaitable[None]] | None = None
        self._line, self._dialog, self._media, self._local = line, dialog, media, local

    @property
    def heard(self) -> Samples:
        """Everything heard so far, laid out by RTP timestamp; where nothing came, zeros. Not to be written to."""
        return self._media.playout.heard

    @property
    def arrivals(self) -> Sequence[PacketArrival]:
        """Every packet of audio in the order it came, with its time."""
        return self._media.playout.arrivals

    @property
    def position_s(self) -> float:
        """Seconds of `heard` so far; it stands still while the other side sends nothing."""
        return len(self.heard) / RATE

    @property
    def key_up_times(self) -> Sequence[tuple[str, float]]:
        """Each key pressed and the second, of the loop's clock, of its first end packet."""
        return self._media.key_up_times

    @property
    def key_up_s(self) -> float:
        """Seconds of `heard` when the last key went up; the caller's next step follows a little later."""
        return self._media.key_up_at / RATE

    @property
    def keys_received(self) -> str:
        """The keys that the other side pressed."""
        return self._media.received.keys

    async def press(self, keys: str, *, tone_ms: int = 100, gap_ms: int = 100) -> None:
        """Presses keys, "," being a pause of 500 ms; returns when the last one is up."""
        await self._media.press(keys, tone_ms, gap_ms)

    async def say(self, samples: Samples) -> None:
        """Speaks in real time; returns when all was sent. Silence is sent whenever nothing is said."""
        await self._media.say(samples)

    async def wait_for_clip(
        self, clip: Clip, *, within_s: float = 10, after_s: float = 0.0, whole: bool = False
    ) -> RecognisedClip:
        """Waits for a clip that begins at or after a second of `heard`; NotHeard says what was heard instead.

        A recording that is played in the clip's place will do. It returns as soon as the clip is recognised, so that
        `end_s` is how far it was played until then; with `whole` it waits until all its sound was heard.
        """
        return await self.wait_for_any(
            [clip, *self._line.vocabulary.replacing([clip.name])], within_s=within_s, after_s=after_s, whole=whole
        )

    async def wait_for_any(
        self, clips: Sequence[Clip], *, within_s: float = 10, after_s: float = 0.0, whole: bool = False
    ) -> RecognisedClip:
        """Waits for one of several clips, as `wait_for_clip`; if two are heard, the one before the other."""
        deadline = _loop_time() + within_s
        playout = self._media.playout
        start, vocabulary = playout.to_without_pauses(round(after_s * RATE)), self._line.vocabulary
        watches = await asyncio.to_thread(
            lambda: [
                ClipWatch(vocabulary, clip, start, whole=whole) for clip in {id(clip): clip for clip in clips}.values()
            ]
        )
        looked, looked_settled = -1, False
        while True:
            settled, length = self._is_settled(), len(playout.without_pauses)
            if length >= looked + _POLL_INTERVAL or (settled and (length, True) != (looked, looked_settled)):
                looked, looked_settled = length, settled
                found = [match for watch in watches if (match := watch.search(playout.without_pauses, settled))]
                if found:
                    return self._to_heard(recognised_clip(min(found, key=lambda match: match.begin)))
            if _loop_time() >= deadline or (settled and not self.is_up):
                raise ClipNotHeard(await self._failure_message(f"{clips[0].name} was not heard", within_s, after_s))
            await self._line.changes.wait(min(_PAUSE_DETECTION_S / 4, max(deadline - _loop_time(), 0)))

    async def wait_for_silence(self, for_s: float, within_s: float = 10) -> None:
        """Waits until, from now on, nothing was heard for so many seconds on end; NotHeard if that takes too long."""
        begin, after_s = _loop_time(), self.position_s
        while True:
            silent_since = max(begin, self._media.playout.last_sound_s)
            left = for_s - (_loop_time() - silent_since)
            if left <= 0:
                return
            if _loop_time() >= begin + within_s:
                raise ClipNotHeard(await self._failure_message(f"no {for_s} s of silence", within_s, after_s))
            await self._line.changes.wait(min(left, max(begin + within_s - _loop_time(), 0)))

    async def transcript(self, *, after_s: float = 0.0) -> list[RecognisedClip]:
        """Which clips of the phone's vocabulary were heard, of those that lasted beyond a second of `heard`."""
        playout = self._media.playout
        first = max(playout.to_without_pauses(round(after_s * RATE)) - _MAX_SPEECH_S, 0)
        matches = await asyncio.to_thread(self._line.vocabulary.transcript, playout.without_pauses[first:].copy())
        recognised = (self._to_heard(recognised_clip(match), first / RATE) for match in matches)
        return [found for found in recognised if found.end_s > after_s]

    async def hang_up(self) -> None:
        """Ends the call and waits for the other side's answer; nothing when it is over already.

        One that is not answered yet is taken back.
        """
        if self.is_up:
            self.end()
            if self.answered_s is None and self._cancel:
                await self._cancel()
            else:
                await self._dialog.request("BYE")

    async def wait_until_answered(self, within_s: float = 10) -> None:
        """Waits until the other side has answered; NoAnswer when it has not, or when the call is over."""
        await self._line.changes.wait_for(lambda: self.answered_s is not None or not self.is_up, within_s)
        if self.answered_s is None:
            raise SipTimeout(await self._failure_message("the call was not answered", within_s, 0.0))

    async def wait_for_hangup(self, within_s: float = 10) -> None:
        """Waits until the other side has hung up; StillUp when it does not."""
        after_s = self.position_s
        if not await self._line.changes.wait_for(lambda: not self.is_up, within_s):
            raise NotHungUp(await self._failure_message("the call is still up", within_s, after_s))

    def begin_early(self, remote: SessionDescription, take_back: Callable[[], Awaitable[None]]) -> None:
        """There is sound before the answer: sends from now on."""
        self._cancel = take_back
        self.is_up = True
        self._media.start(remote)
        self._line.changes.notify_all()

    def begin(self, remote: SessionDescription) -> None:
        """The call was answered: sends from now on, if it did not before."""
        self.is_up = True
        self.answered_s = self.position_s
        self._media.start(remote)
        self._line.changes.notify_all()

    def end(self) -> None:
        """It is over: nothing is heard or sent any more."""
        self.is_up = False
        self._media.stop()
        self._line.changes.notify_all()

    def handle_request(self, request: SipMessage, peer: Peer) -> None:
        """A request of the other side within this call."""
        if request.method == "BYE":
            self._line.agent.respond(request, peer, 200, "OK")
            self.end()
        elif request.method == "INVITE":
            if request.body:
                self._media.start(SessionDescription.parse(request.body))
            self._dialog.target = SipAddress.parse(request.get("Contact")).uri
            self._line.agent.respond(
                request,
                peer,
                200,
                "OK",
                body=self._local.encode(),
                headers=(("Contact", self._dialog.contact), ("Content-Type", CONTENT_TYPE), ALLOW),
            )
        elif request.method == "OPTIONS":
            self._line.agent.respond(request, peer, 200, "OK", headers=(ALLOW,))
        else:
            self._line.agent.respond(request, peer, 501, "Not Implemented", headers=(ALLOW,))

    def _is_settled(self) -> bool:
        return not self.is_up or (
            bool(self.arrivals) and _loop_time() - self.arrivals[-1].arrival_s > _PAUSE_DETECTION_S
        )

    def _to_heard(self, found: RecognisedClip, offset_s: float = 0.0) -> RecognisedClip:
        """The same in the time of `heard`, which has the pauses that the recognition leaves out."""
        start, end = (
            self._media.playout.to_heard(round((offset_s + second) * RATE))
            for second in (found.start_s, found.end_s - 1 / RATE)
        )
        return replace(found, start_s=start / RATE, end_s=(end + 1) / RATE)

    async def _failure_message(self, what: str, within_s: float, after_s: float) -> str:
        recognised = ", ".join(map(str, await self.transcript(after_s=after_s))) or "nothing known"
        state = "up" if self.is_up else "over"
        return (
            f"{what} within {within_s} s, from second {after_s:.2f} on; heard: {recognised} "
            f"(now at second {self.position_s:.2f}, the call is {state})"
        )
