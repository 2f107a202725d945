"""A Unix socket for one question: the C part of `socket`, without the enumerations and selectors that it loads."""

from __future__ import annotations

import io
from _socket import AF_UNIX, MSG_PEEK, SOCK_STREAM  # CPython's, which gpuq needs anyway
from _socket import socket as Socket

__all__ = ["MSG_PEEK", "PlainSocket"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PlainSocket(Socket):
    """A stream over AF_UNIX, as a context that closes it."""

    def __init__(self) -> None:
        super().__init__(AF_UNIX, SOCK_STREAM)

    def __enter__(self) -> PlainSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        """Return what reads from it; the socket stays open when that is closed."""
        return io.BufferedReader(_Received(self))


class _Received(io.RawIOBase):
    """The bytes that come."""

    def __init__(self, source: PlainSocket) -> None:
        self._source = source

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, once anything has; 0 at the end."""
        return self._source.recv_into(buffer)
