"""Requests whose client goes away before the response."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")
CHECK_INTERVAL_S = 0.5


async def run_while_connected(
    request: Request, work: Coroutine[Any, Any, T], *, check_interval_s: float = CHECK_INTERVAL_S
) -> T:
    """Return the result of `work`, for work on many rows; cancel it if the client closes the connection.

    What was committed stays. The body of the request must have been read. Raises `ClientDisconnect`.
    """
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=check_interval_s)
            if not task.done() and await request.is_disconnected():
                raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
