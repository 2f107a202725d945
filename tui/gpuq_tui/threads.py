"""Blocking calls beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Beside(Protocol):
    """Runs a blocking function beside the event loop and gives what it returns."""

    async def __call__(self, function: Callable[[], T], /) -> T: ...


async def in_thread(function: Callable[[], T], /) -> T:
    """Return `function()`, run in a thread of its own that nobody waits for at the end of the program.

    `asyncio.to_thread` would keep `q` from quitting until a gpuqd that hangs has answered: its threads are
    joined before the program may end.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return  # nobody waits any more
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T may be None itself

    def call() -> None:
        result, failure = None, None
        try:
            result = function()
        except BaseException as error:  # handed to the one who awaits
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=call, name="gpuq-question", daemon=True).start()
    return await future
