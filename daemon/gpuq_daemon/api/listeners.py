"""Where gpuqd listens: the socket, and the HTTPS port where there is one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from pathlib import Path

from gpuq_daemon.api.server import Server, listen, listen_tcp, make_server, make_tls_server
from gpuq_daemon.api.timing import App
from gpuq_daemon.config import Config


class Listeners:
    """Sockets that are bound, and the servers on them once they serve."""

    def __init__(self, config: Config) -> None:
        table = self._table = config.listen
        with contextlib.ExitStack() as opened:
            self._unix = listen(config.socket_path, mode=table.mode, group=table.socket_group)
            opened.callback(self._unix.close)
            self._tcp = None if table.https_address is None else listen_tcp(*table.https_address)
            opened.pop_all()
        self._servers: list[Server] = []
        self._serving: list[asyncio.Task[None]] = []

    def serve(self, app: App, tasks: asyncio.TaskGroup) -> None:
        """Serve `app` until `stop`.

        Raises:
            UsageError: the certificate or its key cannot be used.
        """
        pairs: list[tuple[Server, socket.socket]] = [(make_server(app, self._table), self._unix)]
        if self._tcp is not None:
            pairs.append((make_tls_server(app, self._table), self._tcp))
        self._servers = [server for server, _ in pairs]
        self._serving = [tasks.create_task(server.serve(sockets=[one])) for server, one in pairs]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(len(server.server_state.connections) for server in self._servers)

    async def stop(self) -> None:
        """Answer what is being asked, then serve no more."""
        for server in self._servers:
            server.should_exit = True
        for serving in self._serving:
            await serving

    def hurry(self) -> None:
        """Let `stop` wait for no answer any more."""
        for server in self._servers:
            server.force_exit = True

    def close(self) -> None:
        """Close the sockets."""
        self._unix.close()
        if self._tcp is not None:
            self._tcp.close()


@contextlib.contextmanager
def listeners(config: Config) -> Generator[Listeners]:
    """Give bound sockets, and take the one in the file system away at the end, if it is still the same one.

    Raises:
        UsageError: one cannot be made.
    """
    bound = Listeners(config)
    path: Path = config.socket_path
    mine = path.stat().st_ino
    try:
        yield bound
    finally:
        bound.close()
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == mine:
                path.unlink()
