"""Finds hosts' addresses: a host whose name servers do not answer holds up its own messages, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from gpuq_daemon.messages.sending import NotSentError

_MOST = 16  # threads, each started when it is needed first

Look = Callable[[str, int], str]


def look_up(host: str, port: int) -> str:
    """Return the first address of a name; it may block for as long as name servers do.

    Raises:
        OSError: there is none.
    """
    return str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])


class Names:
    """Each host is looked up once at a time, however many wait for it; so a dead one takes one thread."""

    def __init__(self, look: Look = look_up, most: int = _MOST) -> None:
        self._look = look
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="resolve")
        self._most = most
        self._going: dict[tuple[str, int], Future[str]] = {}

    async def address(self, host: str, port: int) -> str:
        """Return the first address of a name. Who gives up waiting leaves the search to others that wait.

        Raises:
            OSError: there is none.
            NotSentError: too many hosts do not answer already.
        """
        going = self._going.get((host, port))
        if going is None:
            if len(self._going) >= self._most:
                raise NotSentError(f"{host} cannot be looked up: name servers do not answer for {self._most} others")
            going = self._going[host, port] = self._threads.submit(self._look, host, port)
            loop = asyncio.get_running_loop()
            going.add_done_callback(lambda _: self._forget(loop, host, port))
        return await asyncio.shield(asyncio.wrap_future(going))

    def _forget(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._going.pop, (host, port), None)

    def close(self) -> None:
        """Start no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
