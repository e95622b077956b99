"""What stands for the menus: runs one row of the contract."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from ivr.call.port import Call
from ivr.errors import HungUp
from tests.call.contract.rows import Row
from tests.call.contract.stage import Stage


def status_of(row: Row) -> str:
    """What the dialplan is told at the end."""
    return "BRANCH" if row.goes_on else "DONE"


@dataclass
class Service:
    """What stands for the menus: runs the row, ends the call as the reception does, and keeps what went wrong."""

    row: Row
    stage: Stage
    wrong: list[BaseException] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, call: Call) -> None:
        try:
            await (call.answer() if self.row.early is None else call.ring())
            await self.row.run(call, self.stage)
        except HungUp:
            self.wrong.append(AssertionError("a hang-up that the row did not expect"))
        except (Exception, pytest.fail.Exception) as error:  # It is told where the test can see it.
            self.wrong.append(error)
        finally:
            await call.finish(status_of(self.row))
            self.over.set()

    def complain(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.wrong:
            raise self.wrong[0]
