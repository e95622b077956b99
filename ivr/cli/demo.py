"""`ivr demo`: an installation to try, with people and messages in it, and a phone to call it."""

from __future__ import annotations

import asyncio
import os
import tomllib
from pathlib import Path
from typing import Any

import structlog
import typer

from ivr import logs, settings
from ivr.app import App, build
from ivr.audio import wav
from ivr.cli.edge import told
from ivr.cli.phone import FastOption, SayOption, manner
from ivr.cli.serve import UMASK
from ivr.directory.people import Account, Endpoint, User
from ivr.mailbox.message import Caller, Folder
from ivr.places import asterisk_secret, sounds_folder
from ivr.serving.service import serve as begin
from ivr.settings import Settings
from ivr.terminal.keyboard import agreed
from ivr.terminal.phone import Subscriber, dial

PIN = "2580"
HOUR_S = 3600


@told
def demo(
    folder: Path = typer.Option(Path("demo-data"), help="Where to make it; kept, so that it is there the next time."),
    only_make: bool = typer.Option(False, "--only-make", help="Make it, and neither start nor dial it."),
    fast: bool = FastOption,
    say: Path | None = SayOption,
) -> None:
    """Make a demo installation if there is none, start it, and dial it as alice's phone, then as a stranger."""
    os.umask(UMASK)
    loaded = settings.load(
        data={"folder": folder.absolute()},
        fastagi={"host": "127.0.0.1", "port": 0},
        api={"host": "127.0.0.1", "port": 0},
    )
    asyncio.run(_make(loaded) if only_make else _demo(loaded, fast, say))


async def _make(loaded: Settings) -> None:
    logs.configure(loaded.log.model_copy(update={"level": "warning"}))
    app = build(loaded)
    try:
        await furnish(app)
    finally:
        app.close()


async def _demo(loaded: Settings, fast: bool, say: Path | None) -> None:
    app = build(loaded)
    with (loaded.data.folder / "ivr.log").open("a") as log:
        logs.configure(loaded.log, log)
        structlog.get_logger().info("demo.started")
        await furnish(app)
        service = await begin(app, "calls")
        try:
            account = await app.directory.account_called("demo")
            alice = Subscriber(account.id, "alice", "1000", asterisk_secret(loaded))
            typer.echo(
                "Alice picks up her phone and dials *97, her mailbox. Try 7 (delete), 5 and 8 (back, on), * (pause)."
            )
            await dial("*97", alice, service.address, manner(loaded, fast, say))
            if await agreed(f"Dial again, as a stranger? Box 1000 has the PIN {PIN}. [Y/n] "):
                stranger = Subscriber(account.id, None, "5550100", "")
                await dial("*98", stranger, service.address, manner(loaded, fast, say))
        finally:
            await service.stop()
    typer.echo(f"Log, messages and settings are in {loaded.data.folder}.")


async def furnish(app: App) -> None:
    """Account demo, users alice and bob with a phone and a box each, and the demo messages; once."""
    if await app.directory.accounts():
        return
    account = await app.directory.create_account(Account(name="demo", realm="demo.example"))
    for name, number in (("alice", "1000"), ("bob", "1001")):
        user = await app.directory.create_user(User(name=name, account_id=account.id, email=f"{name}@demo.example"))
        await app.directory.add_endpoint(
            Endpoint(system=app.settings.asterisk.system, name=name, account_id=account.id, user_id=user.id)
        )
        box = {"name": name.capitalize(), "mailbox": number, "owner_id": user.id, "pin": PIN}
        settings = {"is_setup": True, "vm_message_forward_type": "prepend_forward"}
        mailbox = await app.boxes.create(account, {**box, **settings})
        if name == "alice":
            recordings = sounds_folder(app.settings) / "demo"
            for message in _messages(recordings):
                pcm = wav.samples(recordings / message["file"])
                left_at = int(app.mailroom.clock.now() - message["hours_ago"] * HOUR_S)
                caller = Caller(message["caller_number"], message["caller_name"])
                await app.delivery.bring(mailbox, pcm, caller, left_at, Folder(message["folder"]))


def _messages(recordings: Path) -> list[dict[str, Any]]:
    with (recordings / "demo.toml").open("rb") as file:
        messages: list[dict[str, Any]] = tomllib.load(file)["message"]
    return messages
