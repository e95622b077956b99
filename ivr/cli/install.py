"""`ivr install`: set up this machine, or a folder that becomes the root of one."""

from __future__ import annotations

import os
import re
import secrets
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from ivr.cli.support import echo, exit_on_error
from ivr.errors import ConfigurationError
from ivr.imports.config_file import read_config_if_valid
from ivr.install import machine_files
from ivr.install.asterisk_start import AsteriskStart, find_asterisk_start
from ivr.install.installed_files import RECORD_FILE, InstalledFiles
from ivr.install.plan import (
    ASTERISK_SECRET_FILE,
    DEFAULT_FASTAGI_PORT,
    MANAGER_SECRET_FILE,
    Layout,
    install_steps,
    manual_steps,
)
from ivr.install.steps import InstallTarget, user_exists
from ivr.install.write_file import WriteFile, find_obsolete
from ivr.paths import package_data_folder
from ivr.storage.data_folder import state_folder
from ivr.validation.networks import format_address, local_host

DEFAULT_GROUP = "ivr-asterisk"
LOOPBACK, REST_PORT = "127.0.0.1", 8000
"""Where the service listens if ivr.toml does not say it."""
DEFAULT_ASTERISK_USER = "asterisk"
MANAGER_FOLDER = "manager.d"
PACKAGE_UNIT = Path("/usr/lib/systemd/system/ivr.service")


@exit_on_error
def install(
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the steps; change nothing."),
    root: Path = typer.Option(
        Path("/"), help="Folder that becomes the root of a machine: no user is created, no command is run."
    ),
    user: str = typer.Option("ivr", help="User of the service."),
    group: str = typer.Option(
        "", help="Group that the service and Asterisk share. Empty: found by how Asterisk is started."
    ),
    asterisk: str = typer.Option("", help="User of Asterisk. Empty: found by how Asterisk is started."),
) -> None:
    """Install on this machine, or upgrade.

    Creates user, folders, settings, samples for Asterisk and the systemd unit. It can be run again at any time. A file
    that you changed is kept; its new version is written beside it as NAME.new.
    """
    target = InstallTarget(root.absolute())
    start = find_asterisk_start(target.root)
    layout = replace(
        _layout(start, user=user, group=group, asterisk_user=asterisk), package_group=_package_group(target)
    )
    layout = _with_present_settings(target, layout)
    layout = _with_manager_account(target, layout)
    if start and start.run_group:
        echo(_group_explanation(start, layout))
    if not dry_run:
        _check_prerequisites(target, layout)
    target = replace(target, installed=_read_record(target, layout))
    secret = _read_or_generate_secret(target, layout)
    ami_secret = _read_or_generate_ami_secret(target, layout)
    steps = list(install_steps(layout, secret, ami_secret=ami_secret))
    files = [step for step in steps if isinstance(step, WriteFile)]
    is_upgrade = any(file.is_upgrade(target) for file in files)
    for step in steps:
        outcome = step.preview(target) if dry_run else step.apply(target)
        echo(f"{step.describe()}  → {outcome}" if outcome else step.describe())
    if pending := [file for file in files if file.is_pending(target)]:
        echo("\nThese files, which you have changed, have a new version: take over what is new, then remove it")
        for file in pending:
            echo(f"- diff -u {target.resolve(file.path)} {target.resolve(file.new_path)}")
    if not dry_run and (obsolete := find_obsolete(layout.asterisk_config_folder, files, target)):
        echo("\nivr no longer uses these files: remove each that your own configuration does not include")
        for path in obsolete:
            echo(f"- {path}")
    echo("\nBy hand:")
    for line in manual_steps(layout, is_upgrade=is_upgrade):
        echo(f"- {line}")


def _read_record(target: InstallTarget, layout: Layout) -> InstalledFiles:
    """Return the record of an earlier installation; an empty one if this user, for a dry run, cannot read it."""
    try:
        return InstalledFiles.read(target.resolve(layout.config_folder / RECORD_FILE))
    except PermissionError:
        return InstalledFiles()


def _layout(start: AsteriskStart | None, *, user: str, group: str, asterisk_user: str) -> Layout:
    """Return the layout: the options, completed by how Asterisk is started."""
    asterisk_user = asterisk_user or (start and start.user) or DEFAULT_ASTERISK_USER
    run_group = start.run_group if start else None
    return Layout(
        executable=Path(sys.argv[0]).resolve(),
        package_data=package_data_folder(),
        user=user,
        private_group=user,
        group=group or run_group or DEFAULT_GROUP,
        asterisk_user=asterisk_user,
        asterisk_group=run_group or asterisk_user,
    )


def _with_manager_account(target: InstallTarget, layout: Layout) -> Layout:
    """Return the layout with how manager.conf takes in our account: by a folder of such files (Debian's), or itself."""
    ours, etc = layout.asterisk_config_folder, layout.asterisk_config_folder.parent
    try:
        included = {*read_config_if_valid(target.resolve(etc / "manager.conf")).includes}
    except PermissionError:
        return layout  # For a dry run of a user who cannot read it.
    if included & {f"{ours.name}/manager.conf", f"{ours}/manager.conf"}:
        return replace(layout, has_manager_account=True)
    folder = etc / MANAGER_FOLDER
    if f"{MANAGER_FOLDER}/*.conf" not in included or not target.resolve(folder).is_dir():
        return layout
    return replace(layout, manager_include=folder / "ivr.conf", has_manager_account=True)


def _package_group(target: InstallTarget) -> str:
    """Return the group in the unit of a Debian package of ivr; "" if there is none."""
    unit = target.resolve(PACKAGE_UNIT)
    lines = unit.read_text().splitlines() if unit.is_file() else []
    return next((line.removeprefix("Group=") for line in lines if line.startswith("Group=")), "")


def _group_explanation(start: AsteriskStart, layout: Layout) -> str:
    line = (
        f"Asterisk runs in the group {start.run_group} only ({start.source}): it drops every other group of its user."
    )
    if layout.group == start.run_group:
        return f"{line} The service shares that group.\n"
    return f"{line} It cannot read files of the group {layout.group}: leave --group out.\n"


def _check_prerequisites(target: InstallTarget, layout: Layout) -> None:
    """Raise `ConfigurationError` before the first step if the installation cannot succeed."""
    if not target.is_this_machine:
        return
    if os.geteuid() != 0:
        raise ConfigurationError("ivr install needs root: run sudo ivr install, or use --root FOLDER or --dry-run")
    if not user_exists(layout.asterisk_user):
        raise ConfigurationError(
            f"user {layout.asterisk_user!r} does not exist: install Asterisk first, or name its user with --asterisk"
        )


def _read_or_generate_secret(target: InstallTarget, layout: Layout) -> str:
    """Return the secret of an earlier installation, else a new one."""
    data = target.resolve(layout.data_folder)
    places = (state_folder(data), data)  # Earlier versions have it in the data folder itself.
    found = (machine_files.read_file(folder / ASTERISK_SECRET_FILE, link_free=True) for folder in places)
    try:
        present = next((secret.strip() for secret in found if secret), "")
    except PermissionError:
        present = ""  # For a dry run of a user who cannot read it.
    return present or secrets.token_hex(32)


def _read_or_generate_ami_secret(target: InstallTarget, layout: Layout) -> str:
    """Return the secret of Asterisk's manager that a file of an earlier installation has, else a new one."""
    try:
        manager = machine_files.read_file(target.resolve(layout.asterisk_config_folder / MANAGER_SECRET_FILE))
    except PermissionError:
        return ""  # For a dry run of a user who cannot read it.
    if found := re.search(r"^secret\s*=>?\s*(\S+)", manager or "", re.MULTILINE):
        return found[1]
    return str(_present_settings(target, layout, "ami").get("secret", "")) or secrets.token_hex(32)


def _with_present_settings(target: InstallTarget, layout: Layout) -> Layout:
    """Return the layout with what ivr.toml says: where ivr.socket listens, and the data folder."""
    fastagi, api, data = (_present_settings(target, layout, section) for section in ("fastagi", "api", "data"))
    host, port = str(fastagi.get("host", LOOPBACK)), fastagi.get("port") or DEFAULT_FASTAGI_PORT
    rest_host, rest_port = str(api.get("host", LOOPBACK)), api.get("port") or REST_PORT
    return replace(
        layout,
        data_folder=Path("/", str(data.get("folder") or layout.data_folder)),
        fastagi_address=format_address(local_host(host), int(port)),
        listen_addresses=(format_address(host, int(port)), format_address(rest_host, int(rest_port))),
    )


def _present_settings(target: InstallTarget, layout: Layout, section: str) -> dict[str, Any]:
    """Return a section of ivr.toml; empty if there is none, or if this user, for a dry run, cannot read it."""
    try:
        text = machine_files.read_file(target.resolve(layout.config_folder / "ivr.toml"))
        found = tomllib.loads(text or "").get(section, {})
    except (PermissionError, tomllib.TOMLDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
