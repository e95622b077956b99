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
    return PhoneOptions(
        fast, decode_to_samples(speech_file) if speech_file else None, sounds_folder(site_settings) / LANGUAGE
    )


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
