"""When the tests of a whole site run."""

from __future__ import annotations

import os

import pytest

from tests.lab.asterisk_root import unavailable_reason

ENABLED = "IVR_TEST_INSTALL"
REASON = "takes minutes and the network: make test-packages" if ENABLED not in os.environ else unavailable_reason()

needs_a_site = pytest.mark.skipif(bool(REASON), reason=REASON or "")
