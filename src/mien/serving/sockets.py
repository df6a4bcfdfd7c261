"""What the service's connections have in common."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.types import Receive
from starlette.websockets import WebSocket

from mien.serving.security import SUBPROTOCOL

T = TypeVar("T")


async def accept(websocket: WebSocket) -> None:
    """Accepts the handshake, with our subprotocol if it was offered."""
    offered = SUBPROTOCOL in websocket.scope.get("subprotocols", [])
    await websocket.accept(SUBPROTOCOL if offered else None)


async def departure(receive: Receive) -> None:
    """Returns when the other side of a connection has left; what it says is ignored."""
    while not (await receive())["type"].endswith(".disconnect"):
        pass


async def first_done(*works: Coroutine[None, None, T]) -> list[T]:
    """Runs coroutines concurrently until one finishes; returns its result and cancels the rest.

    If several have finished by then, the results of all of these are returned.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks if task in done]
