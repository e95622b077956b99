"""`python -m tests.call.contract.agi_program ROW FOLDER`: a row of the contract, instead of menus, over classic AGI.

What the row complains of is left in a file.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from pathlib import Path

from ivr.call.agi.conversation import converse
from ivr.call.agi.opening import open_call
from ivr.prompts.sentences import Sentences
from tests.call.contract.rows import ROWS
from tests.call.contract.service import Service
from tests.call.contract.stage import stage_in

COMPLAINT = "complaint.txt"


def main(row: int, folder: Path, slack_ms: int = 1, work_s: float = 0.5) -> None:
    """One call."""
    agi = open_call()
    service = Service(ROWS[row], stage_in(folder, slack_ms, work_s))
    silence = Sentences(folder, {}, time.monotonic).silence()
    asyncio.run(converse(agi, ["check"], service.receive, silence, "", time.monotonic))
    (folder / COMPLAINT).write_text("".join("".join(traceback.format_exception(error)) for error in service.wrong))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
