"""A short soak in every run of the tests; `make soak` is the long one (docs/soak.md)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import structlog

from tests.soak.__main__ import Soak, listen_to_the_log
from tests.soak.garbage import KINDS, peer


def test_a_seed_gives_the_same_peers_again() -> None:
    first, second = Random(7), Random(7)
    assert [peer(first) for _ in range(50)] == [peer(second) for _ in range(50)]


async def test_three_hundred_of_them_disturb_nobody(tmp_path: Path) -> None:
    soak = Soak(300, seed=1)
    listen_to_the_log(soak)
    try:
        await soak.run(tmp_path)
    finally:
        structlog.reset_defaults()
    assert soak.broke == []
    assert soak.calls == 1
    assert len(soak.kinds) == len(KINDS)


async def test_it_would_notice_a_call_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ivr.menus.sign_in import SignIn

    async def breaks(_: SignIn) -> None:
        raise RuntimeError("nobody meant this")

    monkeypatch.setattr(SignIn, "run", breaks)
    soak = Soak(50, seed=1)
    listen_to_the_log(soak)
    try:
        await soak.run(tmp_path)
    finally:
        structlog.reset_defaults()
    assert any("nobody meant this" in what for what in soak.broke)
