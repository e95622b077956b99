"""Stands in for the menus: runs one case of the contract."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from ivr.call.base import Call
from ivr.errors import HungUp
from tests.call.contract.contract_cases import ContractCase
from tests.call.contract.contract_fixture import ContractFixture


def expected_status(case: ContractCase) -> str:
    """The status that the dialplan receives at the end."""
    return "BRANCH" if case.continues_in_dialplan else "DONE"


@dataclass
class ContractService:
    """Stands in for the menus: runs the case, ends the call as `CallHandler` does, and records failures."""

    case: ContractCase
    fixture: ContractFixture
    failures: list[BaseException] = field(default_factory=list)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, call: Call) -> None:
        try:
            await (call.answer() if self.case.heard_before_answer is None else call.send_progress())
            await self.case.run(call, self.fixture)
        except HungUp:
            self.failures.append(AssertionError("a hang-up that the row did not expect"))
        except (Exception, pytest.fail.Exception) as error:  # The test raises it: `raise_failures()`.
            self.failures.append(error)
        finally:
            await call.return_to_dialplan(expected_status(self.case))
            self.finished.set()

    def raise_failures(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.failures:
            raise self.failures[0]
