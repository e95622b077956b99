"""`ivr phone`: a call from this terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

from ivr import settings
from ivr.app import App
from ivr.audio.worker import decode_to_samples
from ivr.cli.support import AccountOption, exit_on_error, resolve_account, run_with_app
from ivr.errors import BadInput, StoreError
from ivr.paths import load_asterisk_secret, sounds_folder
from ivr.settings import Settings
from ivr.terminal.handset import PhoneOptions
from ivr.terminal.phone import PhoneIdentity, dial

LANGUAGE = "en"

FastOption = typer.Option(False, "--fast", help="Sounds take no time.")
SpeechFileOption = typer.Option(None, "--say", help="Audio that is said into every recording.")


@exit_on_error
def phone(
    number: str = typer.Argument("*97", help="*97: your mailbox; *98: any; *98 and its number: that one; or a number."),
    account: str | None = AccountOption,
    endpoint: str | None = typer.Option(None, "--as", help="Whose phone this is; else the account's first endpoint."),
    stranger: bool = typer.Option(False, "--stranger", help="A phone that nobody knows."),
    caller: str = typer.Option("5550100", help="Caller id."),
    fast: bool = FastOption,
    speech_file: Path | None = SpeechFileOption,
) -> None:
    """Dial the running service from this terminal, which then behaves as Asterisk would."""
    loaded = settings.load()

    async def job(app: App) -> PhoneIdentity:
        where = await resolve_account(app, account)
        device = None if stranger else endpoint or await _first_endpoint(app, where.id)
        return PhoneIdentity(where.id, device, caller, _asterisk_secret_or_empty(loaded))

    subscriber = run_with_app(job)
    address = (loaded.fastagi.host, loaded.fastagi.port)
    asyncio.run(dial(number, subscriber, address, phone_options(loaded, fast, speech_file)))


def phone_options(site_settings: Settings, fast: bool, speech_file: Path | None) -> PhoneOptions:
    """How the terminal phone behaves."""
    return PhoneOptions(
        fast, decode_to_samples(speech_file) if speech_file else None, sounds_folder(site_settings) / LANGUAGE
    )


async def _first_endpoint(app: App, account_id: str) -> str:
    endpoints = await app.directory.endpoints(account_id)
    if not endpoints:
        raise BadInput("this account has no phones: 'ivr endpoint add NAME USER', or call with --stranger")
    return endpoints[0].name


def _asterisk_secret_or_empty(site_settings: Settings) -> str:
    """Who may not read it is a stranger to the service, as any process on this machine is."""
    try:
        return load_asterisk_secret(site_settings)
    except StoreError:
        return ""
