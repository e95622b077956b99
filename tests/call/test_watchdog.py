"""The time limit that a call is given, and moved on with, so that it can get away from a service that hangs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivr.call.watchdog import FARTHEST_S, SLACK_S, Watchdog
from tests.call.conftest import Exchange
from tests.support.handset import HANG_UP, ScriptedHandset, When


class Limited:
    """A call with a clock, and what its limit was set to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.ends = 105.0
        self.moved = 0
        self.watchdog = Watchdog(lambda: self.now)

    def before(self, within_s: float, *, costs_nothing: bool = False) -> None:
        if seconds := self.watchdog.due(within_s, costs_nothing=costs_nothing):
            self.ends = self.now + seconds
            self.moved += 1


@given(st.lists(st.tuples(st.floats(10, 600), st.floats(0, 1), st.booleans())))
def test_no_command_runs_into_the_limit_and_none_leaves_it_far_away(commands: list[tuple[float, float, bool]]) -> None:
    call = Limited()
    for within_s, part, costs_nothing in commands:
        call.before(within_s, costs_nothing=costs_nothing)
        assert within_s <= call.ends - call.now + 1
        assert call.ends - call.now <= within_s + (2 * SLACK_S if costs_nothing else FARTHEST_S) + 1
        call.now += within_s * part


def test_the_limit_is_not_moved_at_every_command() -> None:
    call = Limited()
    for _ in range(50):
        call.before(10)
        call.now += 0.1
    assert call.moved == 1


def test_going_between_a_message_and_its_menu_does_not_move_it() -> None:
    call = Limited()
    for _ in range(20):
        call.before(60)
        call.now += 0.2
        call.before(12)
        call.now += 0.2
    assert call.moved == 1


def test_where_it_costs_nothing_it_comes_closer() -> None:
    call = Limited()
    call.before(60)
    call.before(12, costs_nothing=True)
    assert call.ends - call.now <= 12 + 2 * SLACK_S


async def test_a_dialplan_that_watches_is_told_that_we_live(exchange: Exchange) -> None:
    await exchange.house.box("1001", owner=exchange.house.bob)
    call = exchange.asterisk(ScriptedHandset([When("(recording)", HANG_UP)]), "number=1001", "watchdog=5", path="leave")
    await call.call(*exchange.address)
    assert int(call.variables["TIMEOUT(absolute)"]) >= SLACK_S


async def test_a_dialplan_that_does_not_watch_keeps_the_limit_it_has(exchange: Exchange) -> None:
    await exchange.house.box("1001", owner=exchange.house.bob)
    call = exchange.asterisk(ScriptedHandset([When("(recording)", HANG_UP)]), "number=1001", path="leave")
    await call.call(*exchange.address)
    assert "TIMEOUT(absolute)" not in call.variables
