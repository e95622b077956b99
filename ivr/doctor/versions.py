"""Checks that the installed files, the dialplan and the program belong to one version of ivr."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ivr import __version__
from ivr.doctor.installation import Installation, RunningAsterisk
from ivr.errors import ConfigurationError, SettingsError
from ivr.health.finding import EDITOR, RUN_AS_ROOT, Finding, ok, problem, warning
from ivr.install.installed_files import RECORD_FILE, InstalledFiles, text_digest
from ivr.paths import package_data_folder

NEW_VERSIONS = ("*.new", "*.dpkg-dist", "*.dpkg-new", "*.ucf-dist")
"""Names of new versions of files that a site has changed: those of `ivr install` and of dpkg."""
UPGRADE = "ivr install; asterisk -rx 'dialplan reload'; systemctl restart ivr"


def check_installed_files(installation: Installation) -> Iterator[Finding]:
    """Check that `ivr install` has run since the upgrade, and that the site has taken over what is new in its files.

    There is no finding if nothing was installed by `ivr install`.
    """
    if installation.config_file is None:
        return
    try:
        record = InstalledFiles.read(installation.config_file.parent / RECORD_FILE)
        samples = {file.name: text_digest(file.read_text()) for file in _samples()}
        pending = [path for folder in _folders(record) for name in NEW_VERSIONS for path in sorted(folder.glob(name))]
    except (ConfigurationError, SettingsError) as error:
        yield problem("files", str(error), command="ivr install")
        return
    except OSError as error:
        yield warning("files", f"{error.filename} cannot be read", command=RUN_AS_ROOT)
        return
    if not record.version:
        return
    if record.version != __version__:
        yield warning("files", f"installed by ivr {record.version}, and this is ivr {__version__}", command=UPGRADE)
    elif any(samples.get(Path(path).name, digest) != digest for path, digest in record.hashes.items()):
        yield warning("files", "installed by an earlier build of this version of ivr", command=UPGRADE)
    elif pending:
        names = ", ".join(str(path) for path in pending)
        remedy = "; ".join(f"diff -u {path.with_suffix('')} {path}" for path in pending)
        command = "; ".join(f"{EDITOR} {path.with_suffix('')} && rm {path}" for path in pending)
        what = f"not taken over yet: {names}"
        yield warning("files", what, f"{remedy}; take over what is new, and remove it", command=command)
    else:
        yield ok("files", f"{len(record.hashes)} files, installed by ivr {record.version}")


def check_dialplan_version(asterisk: RunningAsterisk) -> Iterator[Finding]:
    """Check that the loaded dialplan belongs to this version. There is no finding if none is loaded."""
    version = asterisk.variables.get("IVR_DIALPLAN_VERSION", "")
    if not asterisk.read_context("ivr-check"):
        return
    if version == __version__:
        yield ok("dialplan version", f"{version}, as the program")
        return
    what = f"Asterisk's dialplan is of ivr {version or 'before 0.1.0'}, and this is ivr {__version__}"
    if _numbers(version) > _numbers(__version__):
        yield warning(
            "dialplan version",
            what,
            f"install ivr {version} again, or go back (docs/upgrading.md): {UPGRADE}",
            command=UPGRADE,
        )
    else:
        yield warning("dialplan version", what, command=UPGRADE)


def _samples() -> Iterator[Path]:
    return (package_data_folder() / "asterisk-conf").glob("*.conf")


def _folders(record: InstalledFiles) -> list[Path]:
    return sorted({Path(path).parent for path in record.hashes})


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]{1,9}", version)]
