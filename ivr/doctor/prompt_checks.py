"""Checks of the prompts: catalogues, recordings, languages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from ivr.doctor.installation import Installation
from ivr.doctor.settings_file import unset_command
from ivr.errors import CatalogueError, SettingsError, SoundsError
from ivr.health.finding import Finding, ok, problem, quoted, warning
from ivr.paths import sounds_folder
from ivr.prompts.completeness import find_missing_clips
from ivr.prompts.languages import FALLBACK_LANGUAGE, find_languages, has_prompts, load_catalogues
from ivr.prompts.recording import build_manifest
from ivr.storage.files import run_as_owner_of

REINSTALL = "apt install --reinstall ivr-voicemail"
"""For the Debian package; else the package is installed again by pip."""


def check_sounds(installation: Installation) -> Iterator[Finding]:
    """Check that every prompt has a recording that the service can read, and every language in use prompts."""
    try:
        folder = sounds_folder(installation.settings)
        catalogues = load_catalogues(folder)
    except (SettingsError, CatalogueError) as error:
        # Without the setting the prompts of the package are played.
        is_missing = isinstance(error, SettingsError)
        command = unset_command(installation.config_file, "sounds", "folder") if is_missing else REINSTALL
        yield problem(
            "sounds",
            str(error),
            "install the package again (docs/install.md), or correct folder in [sounds] of ivr.toml",
            command=command,
        )
        return
    for language, catalogue in catalogues.items():
        with run_as_owner_of(installation.data_folder):
            recordings = [catalogue.recording_path(key) for key in sorted(catalogue.keys())]
            missing = [path for path in recordings if not os.access(path, os.R_OK, effective_ids=True)]
        unknown = find_missing_clips(language, catalogue, catalogues[FALLBACK_LANGUAGE])
        report = problem if language == FALLBACK_LANGUAGE else warning
        if missing:
            yield report(
                "sounds",
                f"{len(missing)} recordings of language {language} are missing or unreadable, such as {missing[0]}"
                + ("" if language == FALLBACK_LANGUAGE else "; English is spoken in their place"),
                f"bring your own ones back, or use those of the package; then: chmod -R a+rX {quoted(folder)}",
                command=f"chmod -R a+rX {quoted(folder)}"
                if all(map(_exists, missing))
                else unset_command(installation.config_file, "sounds", "folder") or REINSTALL,
            )
        elif unknown:
            yield report(
                "sounds",
                f"{folder / language}/catalogue.toml lacks {len(unknown)} prompts, such as {unknown[0]}",
                f"add them, then: ivr sounds build --language {language}",
            )
        else:
            yield ok("sounds", f"{folder / language}, voice {_voice_name(folder / language)}")


def check_languages(installation: Installation) -> Iterator[Finding]:
    """Check that the languages of accounts, users and mailboxes have prompts."""
    try:
        available = find_languages(sounds_folder(installation.settings))
    except SettingsError:
        return  # Reported by `check_sounds`.
    snapshot = installation.snapshot
    if snapshot is None:
        return  # Reported by `check_database`.
    accounts = {account.id: quote(account.name) for account in snapshot.accounts}
    wanted = [(one.language, f"account {one.name}", accounts[one.id]) for one in snapshot.accounts]
    wanted += [
        (one.language, f"user {one.name}", f"{quote(one.name)} -a {accounts.get(one.account_id, one.account_id)}")
        for one in snapshot.users
        if one.language
    ]
    wanted += [(one.language, f"box {one.mailbox}", one.mailbox) for one in snapshot.boxes if one.language]
    for language in dict.fromkeys(code for code, *_ in wanted if not has_prompts(code, available)):
        found = [(name, words) for code, name, words in wanted if code == language]
        users = [name for name, _ in found]
        commands = [f"ivr {name.split()[0]} set {words} language=LANGUAGE" for name, words in found]
        yield warning(
            "sounds",
            f"language {language} of {', '.join(users[:3])}{' …' if len(users) > 3 else ''} has no prompts: "
            "English is spoken, mails may be in that language",
            f"choose LANGUAGE, one of {', '.join(available)}; or add the language (docs/languages.md)",
            command="; ".join(commands),
            fill_in=("LANGUAGE",),
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # A folder above it is closed.
        return True


def _voice_name(folder: Path) -> str:
    try:
        return build_manifest.read(folder).get(build_manifest.VOICE_KEY, "unknown")
    except SoundsError:
        return "unknown"
