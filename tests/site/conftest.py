"""When the tests of a whole site run, and the package that several of them install."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab.asterisk_root import unavailable_reason
from tests.site.machine import SiteMachine

ENABLED = "IVR_TEST_INSTALL"
REASON = "takes minutes and the network: make test-packages" if ENABLED not in os.environ else unavailable_reason()

needs_a_site = pytest.mark.skipif(bool(REASON), reason=REASON or "")
BUILD_PACKAGES = ("debhelper", "build-essential", "bash-completion", "python3-venv", "lintian")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built on a machine of its own, without a word of lintian."""
    built = tmp_path_factory.mktemp("package") / "ivr-voicemail.deb"
    with SiteMachine({}, BUILD_PACKAGES) as machine:
        path = machine.run("packaging/build-deb /usr/src/out", network=True, folder="/usr/src/ivr").splitlines()[-1]
        found = machine.run(f"lintian --fail-on none --tag-display-limit 0 {path} 2>/dev/null")
        assert found == "", "lintian finds something"
        machine.copy_out(path, built)
    return built
