"""Tests whose other end is in the same process do not depend on how busy the machine is."""

from __future__ import annotations

import asyncio
import time


async def test_patient_loop_does_not_time_out_when_process_is_stalled() -> None:
    requested, answered = asyncio.Event(), asyncio.Event()

    async def answers() -> None:
        await requested.wait()
        await asyncio.sleep(0.01)
        answered.set()

    loop = asyncio.get_running_loop()
    answering = asyncio.create_task(answers())
    loop.call_later(0.02, time.sleep, 0.3)  # The process gets no processor.
    loop.call_later(0.04, requested.set)
    async with asyncio.timeout(0.1):
        await answered.wait()
    await answering
