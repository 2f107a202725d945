"""The socket, and uvicorn on it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Generator
from pathlib import Path

import uvicorn

from gpuq.errors import UsageError
from gpuq_daemon.api.peer import PeerProtocol
from gpuq_daemon.api.timing import App

_BACKLOG = 4096


class Server(uvicorn.Server):
    """uvicorn that leaves signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


def make_server(app: App) -> Server:
    """Return a server of `app`; serve it on the sockets of `listen`."""
    config = uvicorn.Config(
        app,
        http=PeerProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    return Server(config)


def _take_away(path: Path) -> None:
    """Remove the socket of a gpuqd that is gone; nothing else, and not one that somebody answers."""
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_socket():
        raise UsageError(f"{path} is no socket, so gpuqd does not put its own there: name another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise UsageError(f"Somebody listens at {path}, another gpuqd perhaps: stop it, or name another socket.")


def listen(path: Path) -> socket.socket:
    """Return a socket at `path` that only this user (and root) can reach.

    Raises:
        UsageError: it cannot be made there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _take_away(path)
    except OSError as error:
        raise UsageError(f"Cannot listen at {path}: {error.strerror or error}.") from error
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(before)
        server.listen(_BACKLOG)
    except OSError as error:
        server.close()
        raise UsageError(f"Cannot listen at {path}: {error.strerror or error}.") from error
    return server
