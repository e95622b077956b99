"""The time limit that a call is given, and moved on with, so that it can get away from a service that hangs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivr.call.watchdog import MAX_AHEAD_S, MIN_SLACK_S, Watchdog
from tests.call.conftest import FakePbx
from tests.support.handset import HANG_UP, OnSound, ScriptedHandset


class WatchedCall:
    """A call with a clock, and what its limit was set to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.limit_at = 105.0
        self.limit_changes = 0
        self.watchdog = Watchdog(lambda: self.now)

    def before_command(self, within_s: float, *, costs_nothing: bool = False) -> None:
        if seconds := self.watchdog.renew(within_s, piggybacked=costs_nothing):
            self.limit_at = self.now + seconds
            self.limit_changes += 1


@given(st.lists(st.tuples(st.floats(10, 600), st.floats(0, 1), st.booleans())))
def test_no_command_runs_into_the_limit_and_none_leaves_it_far_away(commands: list[tuple[float, float, bool]]) -> None:
    call = WatchedCall()
    for within_s, part, costs_nothing in commands:
        call.before_command(within_s, costs_nothing=costs_nothing)
        assert within_s <= call.limit_at - call.now + 1
        assert call.limit_at - call.now <= within_s + (2 * MIN_SLACK_S if costs_nothing else MAX_AHEAD_S) + 1
        call.now += within_s * part


def test_the_limit_is_not_moved_at_every_command() -> None:
    call = WatchedCall()
    for _ in range(50):
        call.before_command(10)
        call.now += 0.1
    assert call.limit_changes == 1


def test_alternating_playback_and_menu_does_not_move_limit() -> None:
    call = WatchedCall()
    for _ in range(20):
        call.before_command(60)
        call.now += 0.2
        call.before_command(12)
        call.now += 0.2
    assert call.limit_changes == 1


def test_limit_is_shortened_when_free() -> None:
    call = WatchedCall()
    call.before_command(60)
    call.before_command(12, costs_nothing=True)
    assert call.limit_at - call.now <= 12 + 2 * MIN_SLACK_S


async def test_watching_dialplan_receives_keepalive(pbx: FakePbx) -> None:
    await pbx.app.create_box("1001", owner=pbx.app.bob)
    call = pbx.new_call(ScriptedHandset([OnSound("(recording)", HANG_UP)]), "number=1001", "watchdog=5", path="leave")
    await call.connect_and_run(*pbx.address)
    assert int(call.variables["TIMEOUT(absolute)"]) >= MIN_SLACK_S


async def test_a_dialplan_that_does_not_watch_keeps_the_limit_it_has(pbx: FakePbx) -> None:
    await pbx.app.create_box("1001", owner=pbx.app.bob)
    call = pbx.new_call(ScriptedHandset([OnSound("(recording)", HANG_UP)]), "number=1001", path="leave")
    await call.connect_and_run(*pbx.address)
    assert "TIMEOUT(absolute)" not in call.variables
