"""`ivr serve` in a loop that is made late: every few milliseconds something keeps it busy for `argv[1]` ms."""

from __future__ import annotations

import asyncio
import sys
import time

from ivr.cli import serve

IDLE_S = 0.002


async def _block_loop(ms: int) -> None:
    while True:
        time.sleep(ms / 1000)
        await asyncio.sleep(IDLE_S)


async def main() -> None:
    hog = asyncio.create_task(_block_loop(int(sys.argv[1])))
    try:
        await serve._run_service()
    finally:
        hog.cancel()


if __name__ == "__main__":
    asyncio.run(main())
