"""Joins standard input and output to gpuqd's socket: the far end of `ssh://`."""

from __future__ import annotations

import os
import select
import socket

from gpuq.client import default_socket
from gpuq.errors import UnavailableError

_PIECE = 64 * 1024


def dial(path: str | None = None) -> int:
    """Carry bytes both ways until either end closes, and return the exit code.

    Raises:
        UnavailableError: gpuqd does not answer.
    """
    where = (path or default_socket()).removeprefix("unix://")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        try:
            daemon.connect(where)
        except OSError as error:
            raise UnavailableError(f"gpuqd does not answer at {where}: {error.strerror}.") from error
        while True:
            ready, _, _ = select.select([0, daemon], [], [])
            if daemon in ready:
                data = daemon.recv(_PIECE)
                if not data:
                    return 0
                _write(data)
            if 0 in ready:
                data = os.read(0, _PIECE)
                if not data:
                    return 0
                daemon.sendall(data)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]
