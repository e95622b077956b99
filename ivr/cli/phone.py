"""`ivr phone` and `ivr demo`."""

from __future__ import annotations

import asyncio
import os
import tomllib
from pathlib import Path
from typing import Any

import structlog
import typer

from ivr import logging_setup, settings
from ivr.app import App
from ivr.audio import wav
from ivr.audio.worker import decode_to_samples
from ivr.cli.serve import UMASK
from ivr.cli.support import AccountOption, echo, exit_on_error, resolve_account, run_with_app
from ivr.directory.models import Account, Endpoint, User
from ivr.errors import BadInput, StoreError
from ivr.paths import load_asterisk_secret, sounds_folder
from ivr.settings import Settings
from ivr.storage.records import Caller, Folder
from ivr.terminal.handset import PhoneOptions
from ivr.terminal.keyboard import confirm
from ivr.terminal.phone import PhoneIdentity, dial

LANGUAGE = "en"

FastOption = typer.Option(False, "--fast", help="Play sounds in no time.")
SpeechFileOption = typer.Option(None, "--say", help="Audio file that is spoken into every recording.")


@exit_on_error
def phone(
    number: str = typer.Argument(
        "*97", help="*97: the phone's own box; *98: any box; *98 and a number: that box; a number: leave a message."
    ),
    account: str | None = AccountOption,
    endpoint: str | None = typer.Option(
        None, "--as", help="Endpoint that this phone is. Default: the first endpoint of the account."
    ),
    stranger: bool = typer.Option(False, "--stranger", help="Be a phone that belongs to no user."),
    caller: str = typer.Option("5550100", help="Caller id."),
    fast: bool = FastOption,
    speech_file: Path | None = SpeechFileOption,
) -> None:
    """Call the running service.

    This terminal is the phone, and behaves as Asterisk would.
    """
    loaded = settings.load()

    async def identify_phone(app: App) -> PhoneIdentity:
        phone_account = await resolve_account(app, account)
        device = None if stranger else endpoint or await _first_endpoint(app, phone_account.id)
        return PhoneIdentity(phone_account.id, device, caller, _asterisk_secret_or_empty(loaded))

    identity = run_with_app(identify_phone)
    address = (loaded.fastagi.host, loaded.fastagi.port)
    asyncio.run(dial(number, identity, address, phone_options(loaded, fast, speech_file)))


def phone_options(site_settings: Settings, fast: bool, speech_file: Path | None) -> PhoneOptions:
    """Return the options of the terminal phone."""
    speech = decode_to_samples(speech_file, site_settings.api.max_audio_s) if speech_file else None
    return PhoneOptions(fast, speech, sounds_folder(site_settings) / LANGUAGE)


async def _first_endpoint(app: App, account_id: str) -> str:
    endpoints = await app.directory.endpoints(account_id)
    if not endpoints:
        raise BadInput("the account has no phones: add one with 'ivr endpoint add NAME USER', or use --stranger")
    return endpoints[0].name


def _asterisk_secret_or_empty(site_settings: Settings) -> str:
    """Return "" if this user may not read the secret: the service then treats the phone as unknown."""
    try:
        return load_asterisk_secret(site_settings)
    except StoreError:
        return ""


PIN = "4716"
HOUR_S = 3600


@exit_on_error
def demo(
    folder: Path = typer.Option(Path("demo-data"), help="Data folder of the demo. It is kept for the next run."),
    create_only: bool = typer.Option(
        False, "--only-make", help="Create the data; neither start the service nor call it."
    ),
    fast: bool = FastOption,
    speech_file: Path | None = SpeechFileOption,
) -> None:
    """Try voicemail from this terminal.

    Creates a demo installation, starts it, and calls it as alice's phone, then as a stranger.
    """
    os.umask(UMASK)
    loaded = settings.load(
        data={"folder": folder.absolute()},
        fastagi={"host": "127.0.0.1", "port": 0},
        api={"host": "127.0.0.1", "port": 0},
    )
    asyncio.run(_create_only(loaded) if create_only else _run_demo(loaded, fast, speech_file))


async def _create_only(site_settings: Settings) -> None:
    logging_setup.configure_logging(site_settings.log.model_copy(update={"level": "warning"}))
    app = App(site_settings).open(migrate=True)
    try:
        await create_demo_data(app)
    finally:
        app.close()


async def _run_demo(site_settings: Settings, fast: bool, speech_file: Path | None) -> None:
    from ivr.service.service import start_service  # Other commands start without the web framework.

    app = App(site_settings).open(migrate=True)
    with (site_settings.data.folder / "ivr.log").open("a") as log:
        logging_setup.configure_logging(site_settings.log, log)
        structlog.get_logger().info("demo.started")
        await create_demo_data(app)
        service = await start_service(app, "calls")
        try:
            account = await app.directory.find_account_by_name("demo")
            alice = PhoneIdentity(account.id, "alice", "1000", load_asterisk_secret(site_settings))
            echo(
                "Alice picks up her phone and dials *97, her mailbox."
                " Try 7 (delete), 5 and 8 (back and forward), * (pause)."
            )
            await dial("*97", alice, service.fastagi_address, phone_options(site_settings, fast, speech_file))
            if await confirm(f"Dial again, as a stranger? Box 1000 has the PIN {PIN}. [Y/n] "):
                stranger = PhoneIdentity(account.id, None, "5550100", "")
                await dial("*98", stranger, service.fastagi_address, phone_options(site_settings, fast, speech_file))
        finally:
            await service.stop()
    echo(f"The log, the messages and the database are in {site_settings.data.folder}.")


async def create_demo_data(app: App) -> None:
    """Create account demo, users alice and bob with a phone and a box each, and messages. Does nothing if it exists."""
    if await app.directory.accounts():
        return
    account = await app.directory.create_account(Account(name="demo", realm="demo.example"))
    for name, number in (("alice", "1000"), ("bob", "1001")):
        user = await app.directory.create_user(User(name=name, account_id=account.id, email=f"{name}@demo.example"))
        await app.directory.add_endpoint(
            Endpoint(system=app.settings.asterisk.system_name, name=name, account_id=account.id, user_id=user.id)
        )
        box = {"name": name.capitalize(), "mailbox": number, "owner_id": user.id, "pin": PIN}
        settings = {"is_setup": True, "vm_message_forward_type": "prepend_forward"}
        mailbox = await app.boxes.create(account, {**box, **settings})
        if name == "alice":
            recordings = sounds_folder(app.settings) / "demo"
            for message in _load_demo_messages(recordings):
                pcm = wav.read_samples(recordings / message["file"])
                left_at = int(app.clock.now() - message["hours_ago"] * HOUR_S)
                caller = Caller(message["caller_number"], message["caller_name"])
                await app.delivery.import_recording(mailbox, pcm, caller, left_at, Folder(message["folder"]))


def _load_demo_messages(recordings: Path) -> list[dict[str, Any]]:
    with (recordings / "demo.toml").open("rb") as file:
        messages: list[dict[str, Any]] = tomllib.load(file)["message"]
    return messages
