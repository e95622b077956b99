"""Files of an earlier version that another user owns are named, with the command that corrects it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from ivr.errors import ConfigurationError
from ivr.install.move_state import MoveState
from ivr.install.steps import InstallTarget

SERVICE_USER = 61002


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_file_of_another_user_is_named_and_moved_after_the_printed_command(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, SERVICE_USER, SERVICE_USER)
    (folder / "pepper").write_text("secret")
    with pytest.raises(ConfigurationError, match="belongs to another user") as raised:
        MoveState(folder).apply(InstallTarget(Path("/")))
    assert (folder / "pepper").exists()
    command = str(raised.value).split(": ", 1)[1].split(", then")[0]
    subprocess.run(shlex.split(command), check=True)
    assert (folder / "pepper").stat().st_uid == SERVICE_USER
