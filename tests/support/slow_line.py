"""A line between two ports of loopback that is slow, can be cut, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Generator
from types import TracebackType


class SlowLine:
    """Listens on `port` of loopback and carries bytes to and from `far_port`, each way `delay_s` late."""

    def __init__(self, far_port: int, *, delay_s: float = 0.0) -> None:
        self.port = 0
        self._far_port, self._delay_s = far_port, delay_s
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_up, self._is_open = threading.Event(), True
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> SlowLine:
        self._thread.start()
        self._is_up.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @contextlib.contextmanager
    def cut(self) -> Generator[None]:
        """Break all connections off, and let in no other until the end of the `with`."""
        self._is_open = False
        self._loop.call_soon_threadsafe(self._break)
        try:
            yield
        finally:
            self._is_open = True

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        self._loop.run_forever()
        self._break()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far_port)
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            on_the_way = asyncio.Queue[tuple[float, bytes]]()
            for course in (self._take(source, on_the_way), self._give(target, on_the_way)):
                task = self._loop.create_task(course)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _take(self, source: asyncio.StreamReader, on_the_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        piece = b"x"
        while piece:
            try:
                piece = await source.read(65536)
            except OSError:
                piece = b""
            on_the_way.put_nowait((self._loop.time() + self._delay_s, piece))

    async def _give(self, target: asyncio.StreamWriter, on_the_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, piece = await on_the_way.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not piece or target.transport.is_closing():
                    break
                target.write(piece)
        target.close()
