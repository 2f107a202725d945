"""The driver's end of the connections that its ranks and their witnesses keep to it; their end is in `link`."""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import selectors
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gpuq_job.link import FED, OVER, Message, answer

_MAX_LINE = 256 * 1024
_MAX_CONNECTIONS = 1024


@dataclass(slots=True)
class _Peer:
    nonce: bytes
    buffer: bytearray = field(default_factory=bytearray)
    is_known: bool = False
    rank: int | None = None


class DriverEnd:
    """The driver's end: all ranks' connections, read by one thread."""

    def __init__(self, host: str, key: bytes) -> None:
        self._key = key
        self._listener = socket.create_server((host, 0), backlog=128)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.address: tuple[str, int] = (host, self._listener.getsockname()[1])

    def close(self) -> None:
        """Hang up on everybody."""
        for key in list(self._selector.get_map().values()):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            sock.close()
        self._selector.close()

    def say_over(self) -> None:
        """Tell every rank that the training is over."""
        self.say(OVER)

    def say_fed(self) -> None:
        """Tell every rank that all rows are fed."""
        self.say(FED)

    def say(self, word: str) -> None:
        """Say a word, which is one line, to every rank."""
        for key in list(self._selector.get_map().values()):
            sock, peer = key.fileobj, key.data
            if isinstance(sock, socket.socket) and isinstance(peer, _Peer) and peer.is_known:
                with contextlib.suppress(OSError):
                    sock.send(f"{word}\n".encode())

    def messages(self, timeout_s: float) -> list[Message]:
        """Return what ranks said within `timeout_s`, in order; `{"rank", "state": None}` is a hang-up."""
        found: list[Message] = []
        for key, _ in self._selector.select(timeout_s):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is self._listener:
                self._welcome()
            else:
                found += self._hear(sock, key.data)
        return found

    def _welcome(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._selector.get_map()) > _MAX_CONNECTIONS:
            connection.close()
            return
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        nonce = secrets.token_hex(32).encode()
        self._selector.register(connection, selectors.EVENT_READ, _Peer(nonce))
        with contextlib.suppress(OSError):
            connection.send(nonce + b"\n")

    def _hear(self, sock: socket.socket, peer: _Peer) -> list[Message]:
        try:
            piece = sock.recv(_MAX_LINE)
        except BlockingIOError:
            return []
        except OSError:
            piece = b""
        peer.buffer += piece
        found: list[Message] = []
        is_bad = len(peer.buffer) > 2 * _MAX_LINE
        try:
            found += self._lines(peer)
        except ValueError:
            is_bad = True
        if not piece or is_bad:
            self._selector.unregister(sock)
            sock.close()
            if peer.rank is not None:
                found.append({"rank": peer.rank, "state": None})
        return found

    def _lines(self, peer: _Peer) -> Iterator[Message]:
        while (end := peer.buffer.find(b"\n")) >= 0:
            line = bytes(peer.buffer[:end])
            del peer.buffer[: end + 1]
            if not peer.is_known:
                if not hmac.compare_digest(line, answer(self._key, peer.nonce)):
                    raise ValueError("not one of the ranks")
                peer.is_known = True
                continue
            message: Any = json.loads(line)
            if not isinstance(message, dict) or not isinstance(message.get("rank"), int) or not _is_one(message):
                raise ValueError("not a message")
            peer.rank = message["rank"]
            yield message


def _is_one(message: Any) -> bool:
    """Whether a message tells of a state, of a sample or of a program of the site's."""
    has_failed = isinstance(message.get("hook"), str) and isinstance(message.get("text"), str)
    return isinstance(message.get("state"), str) or isinstance(message.get("sample"), dict) or has_failed
