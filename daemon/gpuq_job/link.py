"""The connection that every rank keeps to the driver: its end is how the driver learns of a killed rank.

JSON lines over TCP. The driver sends a nonce, the rank answers with its HMAC under the attempt's key, then
tells its state changes; the driver says two words more: that all rows are fed, where rows are, and that the training is
over. A rank's side never fails the training, and waits long only for these words.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import select
import selectors
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]  # JSON from a rank: "rank", "state" and what goes with it

_MAX_LINE = 256 * 1024
_MAX_CONNECTIONS = 1024
_TIMEOUT_S = 5.0
_FED = b"fed"
_OVER = b"over"


def answer(key: bytes, nonce: bytes) -> bytes:
    """Return what proves the knowledge of the key for this nonce, in hex."""
    return hmac.digest(key, nonce, "sha256").hex().encode()


class RankEnd:
    """A rank's end. Without a driver to talk to it stays silent."""

    def __init__(self, address: tuple[str, int], key: bytes, rank: int) -> None:
        self._rank = rank
        self._heard = bytearray()
        self._reading = threading.Lock()
        self._socket: socket.socket | None = None
        try:
            self._socket = _connected(address, key)
        except OSError:
            return
        # A child that the training forks must not hold the connection open when its rank is gone.
        os.register_at_fork(after_in_child=self.close)

    def tell(self, state: str, **more: object) -> None:
        """Tell the driver about a state change of this rank."""
        if self._socket is None:
            return
        line = json.dumps({"rank": self._rank, "state": state, **more}, default=str)
        with contextlib.suppress(OSError):
            self._socket.sendall(line.encode() + b"\n")

    def wait_for_end(self) -> bool:
        """Return True when the driver says that the training is over, or hangs up; False at once without a driver."""
        return self._wait_for(_OVER) is not None

    def wait_for_fed(self) -> bool:
        """Return True when the driver says that all rows are fed; False without a driver, or when it is over before."""
        return self._wait_for(_FED) is True

    def _wait_for(self, word: bytes) -> bool | None:
        """Return True when the driver has said this word, False when it ends before that, None without a driver."""
        with self._reading:
            while word not in (words := bytes(self._heard).split(b"\n")[:-1]) and _OVER not in words:
                connection = self._socket
                if connection is None:
                    return None
                piece = b""
                with contextlib.suppress(OSError, ValueError):  # also closed meanwhile
                    select.select([connection], [], [])  # no limit, while what is told keeps its own
                    piece = connection.recv(len(_FED + _OVER) + 2)
                if not piece:
                    return False
                self._heard += piece
            return word in words

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(address: tuple[str, int], key: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=_TIMEOUT_S)
    try:
        nonce = b""
        while not nonce.endswith(b"\n"):
            piece = connection.recv(256)
            if not piece or len(nonce) > 256:
                raise ConnectionError("the driver hung up")
            nonce += piece
        connection.sendall(answer(key, nonce.strip()) + b"\n")
    except OSError:
        connection.close()
        raise
    return connection


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
        self._say(_OVER)

    def say_fed(self) -> None:
        """Tell every rank that all rows are fed."""
        self._say(_FED)

    def _say(self, word: bytes) -> None:
        for key in list(self._selector.get_map().values()):
            sock, peer = key.fileobj, key.data
            if isinstance(sock, socket.socket) and isinstance(peer, _Peer) and peer.is_known:
                with contextlib.suppress(OSError):
                    sock.send(word + b"\n")

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
            message = json.loads(line)
            if not isinstance(message, dict) or not isinstance(message.get("rank"), int):
                raise ValueError("not a message")
            peer.rank = message["rank"]
            yield message
