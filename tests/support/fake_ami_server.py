"""Fake of Asterisk's manager interface, as far as the AMI client uses it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress

Fields = dict[str, str]
CHALLENGE = "840415273"
Reply = Callable[[Fields], list[Fields] | None]


class FakeAmiServer:
    """AMI server on a free port.

    `mailboxes`: new and old messages that phones show. `history`: all MWI updates in order. `actions`: all received
    actions.
    """

    def __init__(self, *, supports_mwi_update: bool = False, secret: str = "word") -> None:
        self.mailboxes: dict[str, tuple[int, int]] = {}
        self.history: list[tuple[str, int, int]] = []
        self.actions: list[Fields] = []
        self.variables: list[str] = []
        self.replies: dict[str, Reply] = {}
        """Replies that override the default ones, by action. None: the action gets no response."""
        self.port = 0
        self.privileges = "originate,all"
        """Write privileges of the user; "" for none."""
        self._supports_mwi_update = supports_mwi_update
        self._secret = secret
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> FakeAmiServer:
        """Listen, after a `stop` on the same port. All MWI counts are lost, as after a restart of Asterisk."""
        self.mailboxes.clear()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        self.drop_connections()
        await asyncio.sleep(0)

    def drop_connections(self) -> None:
        """Drop every connection."""
        for writer in self._writers:
            writer.close()

    def actions_named(self, action: str) -> list[Fields]:
        return [fields for fields in self.actions if fields["Action"] == action]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                block = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = [line.partition(": ") for line in block.strip().split("\r\n")]
                fields = {name: value for name, _, value in lines}
                self.actions.append(fields)
                self.variables = [value for name, _, value in lines if name == "Variable"]
                for reply in self._reply(fields) or ():
                    out = {**reply, "ActionID": fields["ActionID"]}
                    writer.write("".join(f"{name}: {value}\r\n" for name, value in out.items()).encode() + b"\r\n")
        self._writers.discard(writer)
        writer.close()

    def _reply(self, fields: Fields) -> list[Fields] | None:
        if own := self.replies.get(fields["Action"]):
            return own(fields)
        match fields["Action"]:
            case "Challenge":
                return [{"Response": "Success", "Challenge": CHALLENGE}]
            case "Login" if fields["Key"] != hashlib.md5(f"{CHALLENGE}{self._secret}".encode()).hexdigest():
                return [{"Response": "Error", "Message": "Authentication failed"}]
            case "ListCommands":
                known = {"Ping": "Keepalive command. (Priv: <none>)"}
                known |= {
                    action: f"{action}. (Priv: {self.privileges})"
                    for action in ("Originate", "Status")
                    if self.privileges
                }
                update = {"MWIUpdate": "Update the mailbox message counts. (Priv: call,message)"}
                return [{"Response": "Success", **known, **(update if self._supports_mwi_update else {})}]
            case "MWIUpdate":
                self._update_mailbox(fields["Mailbox"], int(fields["NewMessages"]), int(fields["OldMessages"]))
            case "Originate" if fields["Channel"] == "Local/set@ivr-mwi/n":
                for variable in self.variables:
                    values = [pair.partition("=")[2] for pair in variable.split(",")]
                    self._update_mailbox(values[0], int(values[1]), int(values[2]))
        return [{"Response": "Success"}]

    def _update_mailbox(self, mailbox: str, new: int, old: int) -> None:
        self.mailboxes[mailbox] = (new, old)
        self.history.append((mailbox, new, old))
