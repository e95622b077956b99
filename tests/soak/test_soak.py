"""A short soak in every run of the tests; `make soak` is the long one (docs/dev/soak.md)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import structlog

from tests.soak.__main__ import GarbageSoak, watch_log
from tests.soak.garbage_peers import KINDS, random_peer


def test_seed_reproduces_same_peers() -> None:
    first, second = Random(7), Random(7)
    assert [random_peer(first) for _ in range(50)] == [random_peer(second) for _ in range(50)]


async def test_three_hundred_garbage_peers_do_not_disturb_calls(tmp_path: Path) -> None:
    soak = GarbageSoak(300, seed=1)
    watch_log(soak)
    try:
        await soak.run(tmp_path)
    finally:
        structlog.reset_defaults()
    assert soak.failures == []
    assert soak.calls == 1
    assert len(soak.kinds) == len(KINDS)


async def test_soak_detects_broken_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ivr.menus.sign_in import SignIn

    async def breaks(_: SignIn) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(SignIn, "run", breaks)
    soak = GarbageSoak(50, seed=1)
    watch_log(soak)
    try:
        await soak.run(tmp_path)
    finally:
        structlog.reset_defaults()
    assert any("broken on purpose" in what for what in soak.failures)
