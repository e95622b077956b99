"""`python -m tests.call.contract.agi_program ROW FOLDER`: a row of the contract, instead of menus, over classic AGI.

What the row complains of is left in a file.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from pathlib import Path

from ivr.call.agi.session import run_call
from ivr.call.agi.stdio_transport import read_agi_header
from ivr.call.owner_proof import NO_PROOF
from ivr.prompts.prompt_cache import PromptCache
from tests.call.contract.contract_cases import CASES
from tests.call.contract.contract_fixture import contract_fixture_in
from tests.call.contract.contract_service import ContractService

FAILURE_FILE = "complaint.txt"


def main(row: int, folder: Path, slack_ms: int = 1, work_s: float = 0.5) -> None:
    """One call."""
    agi = read_agi_header()
    service = ContractService(CASES[row], contract_fixture_in(folder, slack_ms, work_s))
    silence = PromptCache(folder, {}, time.monotonic).render_silence()
    asyncio.run(run_call(agi, ["check"], service.handle, silence, NO_PROOF, time.monotonic))
    (folder / FAILURE_FILE).write_text(
        "".join("".join(traceback.format_exception(error)) for error in service.failures)
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
