"""The socket, and uvicorn on it."""

from __future__ import annotations

import contextlib
import grp
import os
import resource
import socket
import ssl
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from gpuq.errors import UsageError
from gpuq_daemon.access import ListenTable
from gpuq_daemon.api.connections import Connections
from gpuq_daemon.api.peer import BoundedProtocol, PeerProtocol, TokenProtocol
from gpuq_daemon.api.timing import App

_BACKLOG = 4096


class Server(uvicorn.Server):
    """uvicorn that leaves signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


def make_server(app: App, listen: ListenTable) -> Server:
    """Return a server of `app` whose requests say who the kernel says that asks; serve it on sockets of `listen`."""
    return Server(_config(app, PeerProtocol, listen))


def make_tls_server(app: App, listen: ListenTable) -> Server:
    """Return a server of `app` over TLS 1.2 or newer, whose requests say from where and with which token.

    Raises:
        UsageError: the certificate or its key cannot be used.
    """
    config = _config(app, TokenProtocol, listen, lifespan="off", ssl_certfile=listen.cert, ssl_keyfile=listen.key)
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"Cannot use the certificate {listen.cert} with the key {listen.key}: {error}.") from error
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return Server(config)


def _config(app: App, protocol: type[BoundedProtocol], listen: ListenTable, **more: Any) -> uvicorn.Config:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = Connections(listen.connections_per_user, total=max(64, files // 2 - 256))
    http: Any = partial(protocol, connections=connections, timeout_s=listen.request_timeout_s)
    named: dict[str, Any] = {"lifespan": "on", **more}
    return uvicorn.Config(
        app,
        http=http,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        **named,
    )


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


def listen(path: Path, *, mode: int = 0o600, group: str | None = None) -> socket.socket:
    """Return a socket at `path` with these permissions; by default only this user (and root) can reach it.

    Raises:
        UsageError: it cannot be made there.
    """
    try:
        _make_folder(path.parent, is_open=bool(mode & 0o077))
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
        if group is not None:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        if mode != 0o600:
            os.chmod(path, mode)
        server.listen(_BACKLOG)
    except (OSError, KeyError) as error:
        server.close()
        said = f"there is no group {group}" if isinstance(error, KeyError) else error.strerror or error
        raise UsageError(f"Cannot listen at {path}: {said}.") from error
    return server


def listen_tcp(host: str, port: int) -> socket.socket:
    """Return a socket at an address of this machine.

    Raises:
        UsageError: it cannot be made there.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        server = socket.socket(family, kind)
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
            server.listen(_BACKLOG)
        except OSError:
            server.close()
            raise
    except OSError as error:
        raise UsageError(f"Cannot listen at {host}:{port}: {error.strerror or error}.") from error
    return server


def _make_folder(folder: Path, *, is_open: bool) -> None:
    """Make the socket's folder where there is none; one that is made for an open socket lets everybody pass."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        if is_open:
            folder.chmod(0o755)
