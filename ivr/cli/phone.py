"""`ivr phone`: a call from this terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

from ivr import settings
from ivr.app import App
from ivr.audio.transcode import to_samples
from ivr.cli.edge import AccountOption, the_account, told, with_app
from ivr.errors import BadInput, StoreError
from ivr.places import asterisk_secret, sounds_folder
from ivr.settings import Settings
from ivr.terminal.console import Manner
from ivr.terminal.phone import Subscriber, dial

LANGUAGE = "en"

FastOption = typer.Option(False, "--fast", help="Sounds take no time.")
SayOption = typer.Option(None, "--say", help="Audio that is said into every recording.")


@told
def phone(
    number: str = typer.Argument("*97", help="*97: your mailbox; *98: any; *98 and its number: that one; or a number."),
    account: str | None = AccountOption,
    endpoint: str | None = typer.Option(None, "--as", help="Whose phone this is; else the account's first endpoint."),
    stranger: bool = typer.Option(False, "--stranger", help="A phone that nobody knows."),
    caller: str = typer.Option("5550100", help="Caller id."),
    fast: bool = FastOption,
    say: Path | None = SayOption,
) -> None:
    """Dial the running service from this terminal, which then behaves as Asterisk would."""
    loaded = settings.load()

    async def job(app: App) -> Subscriber:
        where = await the_account(app, account)
        device = None if stranger else endpoint or await _first_endpoint(app, where.id)
        return Subscriber(where.id, device, caller, _secret(loaded))

    subscriber = with_app(job)
    address = (loaded.fastagi.host, loaded.fastagi.port)
    asyncio.run(dial(number, subscriber, address, manner(loaded, fast, say)))


def manner(loaded: Settings, fast: bool, say: Path | None) -> Manner:
    """How the terminal phone behaves."""
    return Manner(fast, to_samples(say) if say else None, sounds_folder(loaded) / LANGUAGE)


async def _first_endpoint(app: App, account_id: str) -> str:
    endpoints = await app.directory.endpoints(account_id)
    if not endpoints:
        raise BadInput("this account has no phones: 'ivr endpoint add NAME USER', or call with --stranger")
    return endpoints[0].name


def _secret(loaded: Settings) -> str:
    """Who may not read it is a stranger to the service, as any process on this machine is."""
    try:
        return asterisk_secret(loaded)
    except StoreError:
        return ""
