"""An Asterisk that speaks ARI, as far as our connection uses it: for tests without Asterisk.

Sounds take their time, divided by `SPEED`; its clock, which the events carry, goes as much faster. As in Asterisk,
requests of one connection are done one after another, playbacks of a channel queue, and setting a variable waits for
what is being played.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, basic_auth, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ivr.audio import wav
from ivr.terminal import sound
from ivr.terminal.fake_asterisk import evaluate
from tests.support.speech import speech_pcm

ASTERISK_CONF = Path(__file__).parents[2] / "asterisk-conf"
TIME_SCALE = 10
MAX_EXTENSION_LENGTH = 80
DIALPLAN_ACTIONS = [
    re.compile(re.escape(start) + {".": ".+", "!": ".*"}[rest])
    for start, rest in re.findall(
        r"^exten => _(\w+~)([.!]),1", (ASTERISK_CONF / "extensions-ari.conf").read_text(), re.M
    )
]
"""The extensions of our own dialplan to which a service may send a call."""
USER, PASSWORD, APPLICATION = "ivr", "word", "ivr"
Reply = tuple[int, Any]


@dataclass
class Playback:
    id: str
    text: str
    length_ms: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    heard_positions: list[int] = field(default_factory=list)
    """From which position to which, in ms."""
    state: str = "queued"
    media: str = ""
    is_early: bool = False
    """It began before the call was answered."""
    has_next_media: bool = False
    """Silence follows in the same playback."""


class FakeChannel:
    """One channel and the person at it; a test presses its keys."""

    def __init__(
        self, asterisk: FakeAriServer, id: str, name: str, says: tuple[str, ...], variables: Mapping[str, str]
    ) -> None:
        self.id = id
        self.name = name
        self.application = APPLICATION
        self.return_application = ""
        self.dialplan_actions: list[str] = []
        """The extensions of the dialplan to which the service sent the call."""
        self.variables = dict(variables)
        self.playbacks: list[Playback] = []
        self.requests: list[str] = []
        self.in_stasis = False
        self.is_answered = False
        self.stasis_entries = 0
        """How often."""
        self.hung_up = asyncio.Event()
        self.destroyed = asyncio.Event()
        """The dialplan has it for good."""
        self.continued_at: tuple[str, str] | None = None
        self.recording: Path | None = None
        self._asterisk = asterisk
        self._stasis_arguments = says
        self._changed = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None
        self._recording_finished: asyncio.Future[tuple[int, str]] | None = None

    # -- what the person does and hears --------------------------------------------------------------------------------

    async def wait_for_playback(self, text: str) -> Playback:
        """Wait until a sound whose text has `text` plays (""; silence), which the caller was not told of before."""
        found = await self._wait_for(lambda: self._find(text), text)
        assert isinstance(found, Playback)
        return found

    async def speak(self, ms: int, then: str = "DTMF") -> None:
        """Talk into the recording that is to come, and end it."""
        await self._wait_for(lambda: self.recording, "a recording")
        assert self._recording_finished
        self._recording_finished.set_result((ms, then))
        await self._wait_for(lambda: self.recording is None, "the end of the recording")

    async def wait_until_played(self, text: str) -> None:
        """Wait until such a sound has come to its end."""
        playback = await self.wait_for_playback(text)
        await self._wait_for(lambda: playback.heard_positions, f"the end of {text}")

    async def wait_for_recording(self) -> None:
        """Wait until the caller is recorded."""
        await self._wait_for(lambda: self.recording, "a recording")

    def press(self, keys: str) -> None:
        for key in keys:
            self._send_event("ChannelDtmfReceived", digit=key, duration_ms=60)

    def hang_up(self) -> None:
        if not self.hung_up.is_set():
            self.hung_up.set()
            self._send_event("ChannelHangupRequest", soft=True)
            self._asterisk.spawn(self._destroy())

    @property
    def heard(self) -> list[str]:
        return [playback.text for playback in self.playbacks if playback.text and playback.state != "queued"]

    async def wait_until_over(self, within_s: float = 20) -> str:
        """Wait until the dialplan has it; gives IVR_STATUS."""
        async with asyncio.timeout(within_s):
            await self.destroyed.wait()
        return self.variables.get("IVR_STATUS", "")

    async def _wait_for(self, found: Callable[[], Any], what: str) -> Any:
        try:
            async with asyncio.timeout(60):
                while not (one := found()):
                    self._changed.clear()
                    await self._changed.wait()
                return one
        except TimeoutError:
            raise AssertionError(f"{what!r} did not come; heard: {self.heard}") from None

    def _find(self, text: str) -> Playback | None:
        for playback in self.playbacks:
            if (
                playback.state == "playing"
                and not playback.heard_positions
                and (text in playback.text if text else not playback.text)
            ):
                playback.state = "told"
                return playback
        return None

    # -- the dialplan --------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Stasis()."""
        self.in_stasis = True
        self.stasis_entries += 1
        self._send_event("StasisStart", args=list(self._stasis_arguments))

    async def _destroy(self) -> None:
        """The channel goes away."""
        for playback in self.playbacks:
            playback.stop.set()
        await asyncio.sleep(0)
        if self.recording and self._recording_finished and not self._recording_finished.done():
            self._recording_finished.set_result((self._asterisk.recorded_ms, "HANGUP"))
            await self._wait_for(lambda: self.recording is None, "the end of the recording")
        self._leave_stasis()
        self._send_event("ChannelDestroyed", cause=16)
        self._asterisk.calls.pop(self.id, None)
        self.destroyed.set()

    def _leave_stasis(self) -> None:
        if self.in_stasis:
            self.in_stasis = False
            self._send_event("StasisEnd")

    def reclaim_by_dialplan(self) -> None:
        """As when the time limit is reached."""
        self._leave_stasis()
        self.destroyed.set()

    async def _move_to_application(self, application: str, says: str) -> None:
        if self._playing:
            await asyncio.wait({self._playing})
        self._leave_stasis()
        self.application, self._stasis_arguments = application, tuple(says.split(","))
        self.enter()

    async def _continue_in_dialplan(self, context: str, extension: str) -> None:
        """As in Asterisk, when what plays has ended."""
        if self._playing:
            await asyncio.wait({self._playing})
        self._leave_stasis()
        if context == "ivr-ari":
            assert len(extension) < MAX_EXTENSION_LENGTH
            assert any(pattern.fullmatch(extension) for pattern in DIALPLAN_ACTIONS), extension
            self.dialplan_actions.append(extension)
            await self._run_dialplan_action(*(unquote(word) for word in extension.split("~")))
        else:
            self.continued_at = (context, extension) if context else None
            self.destroyed.set()

    async def _run_dialplan_action(self, verb: str, *words: str) -> None:
        """The dialplan's extensions in ivr-ari."""
        if verb in ("app", "limit", "goto"):
            self.return_application = words[0]
        match verb:
            case "status":
                self.variables["IVR_STATUS"] = "".join(words)
                self.destroyed.set()
                return
            case "goto":
                self.variables["IVR_STATUS"] = "BRANCH"
            case "set":
                self.variables[words[0]] = "".join(words[1:])
            case "record":
                self.variables["IVR_TAKE_FILE"] = (
                    f"{self.variables.get('IVR_TAKES_FOLDER', self._asterisk.takes)}/{words[0]}"
                )
                await self._record(1000 * int(words[1]))
        if not self.hung_up.is_set():
            self._send_event("ChannelDialplan", dialplan_app="Stasis")
            self.application = self.return_application
            self.enter()

    async def _record(self, longest_ms: int) -> None:
        self._send_event("ChannelDialplan", dialplan_app="Record")
        self._recording_finished = asyncio.get_running_loop().create_future()
        self.recording = Path(self.variables["IVR_TAKE_FILE"] + ".wav")
        self._changed.set()
        try:
            self.recording.open("ab").close()
        except OSError:
            ms, why = 0, "ERROR"
        else:
            ms, why = await self._recording_finished
            wav.write(self.recording, speech_pcm(min(ms, longest_ms)))
        self.variables["RECORD_STATUS"] = why
        if why == "DTMF":
            self.press("#")
        self.recording = None
        self._changed.set()

    # -- requests ------------------------------------------------------------------------------------------------------

    async def handle_request(self, method: str, what: str, query: Mapping[str, str]) -> Reply:
        self.requests.append(f"{method} {what}")
        if method == "GET" and what == "variable":
            name = query["variable"]
            is_evaluated = name.startswith("EVAL(")
            value = evaluate(name[len("EVAL(") : -1], self.variables) if is_evaluated else self.variables.get(name)
            return (404, {"message": "Provided variable was not found"}) if value is None else (200, {"value": value})
        if method == "GET":
            command = {"app_name": "Stasis", "app_data": ",".join((self.application, *self._stasis_arguments))}
            about = {
                "id": self.id,
                "name": self.name,
                "dialplan": command if self.in_stasis else {"app_name": "Record"},
            }
            return 200, {**about, "language": "en", "caller": {"number": "5550100", "name": ""}}
        if method == "DELETE":
            self.hang_up()
            return 204, None
        if not self.in_stasis:
            return 409, {"message": "Channel not in Stasis application"}
        if what == "variable":
            raise AssertionError("on 22.10.1 that takes rights from the dialplan")
        if what.startswith("play/"):
            self._play(Playback(what.removeprefix("play/"), ""), query)
            return 201, {}
        if what == "answer":
            self.is_answered = True
        elif what == "move":
            self._asterisk.spawn(self._move_to_application(query["app"], query["appArgs"]))
        elif what == "continue":
            self._asterisk.spawn(self._continue_in_dialplan(query.get("context", ""), query.get("extension", "")))
        return 204, None

    def _play(self, playback: Playback, query: Mapping[str, str]) -> None:
        self.playbacks.append(playback)
        stem = query["media"].split(",")[0].removeprefix("sound:")
        playback.media, playback.has_next_media = f"sound:{stem}", "," in query["media"]
        found = sound.read_sound_file(stem)
        if found:
            captions_found = found.captions
            playback.length_ms = found.length_ms
            playback.text = (
                "(recording)" if captions_found is None else " ".join(words.text for words in captions_found)
            )
        before = self._playing
        job = self._run_playback(playback, found.length_ms if found else None, int(query.get("offsetms", 0)), before)
        self._playing = self._asterisk.spawn(job)

    async def _run_playback(
        self, playback: Playback, length_ms: int | None, start_ms: int, before: asyncio.Task[None] | None
    ) -> None:
        if before:
            await asyncio.wait({before})
        if playback.stop.is_set() or self.hung_up.is_set():
            return
        playback.state = "playing"
        playback.is_early = not self.is_answered
        self._send_playback_event(playback, "PlaybackStarted", "playing")
        self._changed.set()
        loop = asyncio.get_running_loop()
        began = loop.time()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0, (length_ms or 0) - start_ms) / 1000 / TIME_SCALE):
                await playback.stop.wait()
        heard_ms = round((loop.time() - began) * 1000 * TIME_SCALE)
        playback.heard_positions = [start_ms, max(start_ms, min(length_ms or 0, start_ms + heard_ms))]
        self._changed.set()
        if playback.has_next_media and not playback.stop.is_set():
            playback.media = "sound:silence"
            self._send_playback_event(playback, "PlaybackContinuing", "continuing")
            self._send_playback_event(playback, "PlaybackStarted", "playing")
            await playback.stop.wait()
        playback.state = "over"
        self._send_playback_event(playback, "PlaybackFinished", "done")

    def _send_playback_event(self, playback: Playback, type: str, state: str) -> None:
        about = {"id": playback.id, "state": state, "target_uri": f"channel:{self.id}"}
        self._asterisk.send_event(type, application=self.application, playback=about)

    def _send_event(self, type: str, **what: Any) -> None:
        caller = {"number": "5550100", "name": ""}
        about = {"id": self.id, "name": self.name, "language": "en", "caller": caller}
        self._asterisk.send_event(type, application=self.application, channel=about, **what)


class FakeAriServer:
    """Listens on a port of its own. `refusals`: what to answer instead, by a pattern of "METHOD uri"."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: dict[str, FakeChannel] = {}
        self.refusals: dict[str, Reply] = {}
        self.requests: list[str] = []
        self.takes = Path("/nowhere")
        """IVR_TAKES_FOLDER of the dialplan."""
        self.recorded_ms = 0
        """Length of the speech of a caller who hangs up while speaking."""
        self.supports_websocket_requests = True
        """False: an Asterisk before 22.4."""
        self.rejects_connections = False
        self.claims: list[str] = []
        self._server: Server | None = None
        self._sockets: set[ServerConnection | ClientConnection] = set()
        self._outbound_sockets: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._count = 0

    async def start_listening(self, tls: ssl.SSLContext | None = None) -> None:
        known = basic_auth("asterisk", credentials=(USER, PASSWORD))
        self._server = await serve(
            self._serve, "127.0.0.1", self.port, process_request=known, ping_interval=None, ssl=tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def dial(self, uri: str, headers: Mapping[str, str], tls: ssl.SSLContext | None = None) -> None:
        """An outbound WebSocket."""
        self._outbound_sockets = await connect(
            uri, additional_headers=headers, subprotocols=[Subprotocol("ari")], ssl=tls
        )
        self._sockets.add(self._outbound_sockets)
        self.spawn(self._serve(self._outbound_sockets))
        await self.connected()

    async def close_outbound_connections(self) -> None:
        """As 3 s behind the Stasis() that it was dialled for."""
        assert self._outbound_sockets
        await self._outbound_sockets.close()

    async def stop(self) -> None:
        """As when Asterisk ends: all calls with it."""
        for call in list(self.calls.values()):
            call.destroyed.set()
        self.calls.clear()
        if self._server:
            self._server.close(True)
            await self._server.wait_closed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def lose_connections(self) -> None:
        """The network breaks; calls stay in Stasis, and events are lost until there is a new connection."""
        self._connected.clear()
        for socket in list(self._sockets):
            socket.transport.abort()
            self._sockets.discard(socket)
        await asyncio.sleep(0)

    async def connected(self) -> None:
        async with asyncio.timeout(60):
            await self._connected.wait()

    async def send(self, frame: str | bytes) -> None:
        """Whatever a frame may hold."""
        for socket in self._sockets:
            await socket.send(frame)

    def call(
        self, *says: str, channel: str = "PJSIP/alice-00000001", variables: Mapping[str, str] | None = None,
        application: str = APPLICATION,
    ) -> FakeChannel:  # fmt: skip
        """A call comes."""
        self._count += 1
        call = FakeChannel(self, f"1700000000.{self._count}", channel, says, variables or {})
        call.application = application
        self.calls[call.id] = call
        call.enter()
        return call

    def send_event(self, type: str, application: str = APPLICATION, **what: Any) -> None:
        now = datetime.fromtimestamp(1_700_000_000 + asyncio.get_running_loop().time() * TIME_SCALE, UTC)
        event = {"type": type, "application": application, "timestamp": now.isoformat(timespec="milliseconds"), **what}
        asked_for = [one for one in self._sockets if one.request and one.request.path.endswith(f"app={application}")]
        for socket in asked_for or self._sockets & {self._outbound_sockets}:
            self.spawn(self._send(socket, json.dumps(event)))

    def spawn(self, job: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    async def _send(socket: ServerConnection | ClientConnection, frame: str) -> None:
        with suppress(ConnectionClosed):
            await socket.send(frame)

    async def _serve(self, socket: ServerConnection | ClientConnection) -> None:
        if self.rejects_connections and socket is not self._outbound_sockets:
            await socket.close()
            return
        self._sockets.add(socket)
        self._connected.set()
        try:
            async for frame in socket:
                rest_request = json.loads(frame)
                if self.supports_websocket_requests:
                    status, body = await self.handle_request(rest_request["method"], rest_request["uri"])
                    answer = {"type": "RESTResponse", "request_id": rest_request["request_id"], "status_code": status}
                    await socket.send(json.dumps({**answer, **({"message_body": json.dumps(body)} if body else {})}))
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)

    async def handle_request(self, method: str, uri: str) -> Reply:
        self.requests.append(f"{method} {uri}")
        for pattern, reply in self.refusals.items():
            if re.search(pattern, f"{method} {uri}"):
                return reply
        parts = urlsplit(uri)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        kind, _, rest = parts.path.partition("/")
        if kind == "channels":
            name, _, what = rest.partition("/")
            call = self.calls.get(unquote(name))
            return (
                await call.handle_request(method, unquote(what), query)
                if call
                else (404, {"message": "Channel not found"})
            )
        if kind == "playbacks":
            return self._playback(method, unquote(rest))
        if method == "GET" and kind == "applications":
            ids = [id for id, call in self.calls.items() if call.application == rest]
            return 200, {"name": rest, "channel_ids": ids}
        if uri.startswith("events/claim"):
            self.claims.append(query["channelId"])
            return 204, None
        return 200, {}

    def _playback(self, method: str, id: str) -> Reply:
        for call in self.calls.values():
            for playback in call.playbacks:
                if playback.id == id and playback.state != "over":
                    if method == "DELETE":
                        playback.stop.set()
                        return 204, None
                    return 200, {"id": id, "media_uri": playback.media}
        return 404, {"message": "Playback not found"}
