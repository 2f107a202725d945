"""The connection that every rank keeps to the driver: its end is how the driver learns of a killed rank.

JSON lines over TCP. The driver sends a nonce, the rank answers with its HMAC under the attempt's key, then
tells its state changes; the driver says single words: that all rows are fed, where rows are, that the training is
over, and what it was ordered. A rank's side never fails the training, and waits long only for the first two.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]  # JSON from a rank: "rank", "state" and what goes with it

_MAX_LINE = 256 * 1024
_MAX_CONNECTIONS = 1024
_TIMEOUT_S = 5.0
_LONGEST_WORD = 256
_FED = "fed"
_OVER = "over"


def answer(key: bytes, nonce: bytes) -> bytes:
    """Return what proves the knowledge of the key for this nonce, in hex."""
    return hmac.digest(key, nonce, "sha256").hex().encode()


def witness_of(rank: int) -> int:
    """Return the number, below 0, that a rank's witness speaks under."""
    return -1 - rank


class RankEnd:
    """A rank's end. Without a driver to talk to it stays silent.

    `on_word` is called in another thread with every word of the driver's but those that are waited for.
    """

    def __init__(
        self,
        address: tuple[str, int],
        key: bytes,
        rank: int,
        on_word: Callable[[str], object] = lambda word: None,
    ) -> None:
        self._rank = rank
        self._on_word = on_word
        self._said = threading.Condition()
        self._is_fed = self._has_ended = False
        self._socket: socket.socket | None = None
        try:
            self._socket = _connected(address, key)
        except OSError:
            return
        # A child that the training forks must not hold the connection open when its rank is gone.
        os.register_at_fork(after_in_child=self._drop)
        threading.Thread(target=self._listen, args=(self._socket,), name="driver", daemon=True).start()

    def tell(self, state: str, **more: object) -> None:
        """Tell the driver about a state change of this rank."""
        if self._socket is None:
            return
        line = json.dumps({"rank": self._rank, "state": state, **more}, default=str)
        with contextlib.suppress(OSError):
            self._socket.sendall(line.encode() + b"\n")

    def wait_for_end(self) -> bool:
        """Return True when the driver says that the training is over, or hangs up; False at once without a driver."""
        if self._socket is None:
            return False
        with self._said:
            self._said.wait_for(lambda: self._has_ended)
        return True

    def wait_for_fed(self) -> bool:
        """Return True when the driver says that all rows are fed; False without a driver, or when it is over before."""
        if self._socket is None:
            return False
        with self._said:
            self._said.wait_for(lambda: self._is_fed or self._has_ended)
            return self._is_fed

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # whoever still listens would hold it open
        self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _listen(self, connection: socket.socket) -> None:
        """Take in what the driver says, until one of both hangs up."""
        heard = bytearray()
        while len(heard) <= _LONGEST_WORD:
            piece = b""
            with contextlib.suppress(OSError, ValueError):  # also closed meanwhile
                select.select([connection], [], [])  # no limit, while what is told keeps its own
                piece = connection.recv(_LONGEST_WORD)
            if not piece:
                break
            heard += piece
            *words, rest = bytes(heard).split(b"\n")
            heard = bytearray(rest)
            for word in words:
                self._hear(word.decode(errors="replace"))
        self._hear(_OVER)

    def _hear(self, word: str) -> None:
        with self._said:
            self._is_fed |= word == _FED
            self._has_ended |= word == _OVER
            self._said.notify_all()
        if word not in (_FED, _OVER):
            self._on_word(word)


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
        self.say(_OVER)

    def say_fed(self) -> None:
        """Tell every rank that all rows are fed."""
        self.say(_FED)

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
            message = json.loads(line)
            if not isinstance(message, dict) or not isinstance(message.get("rank"), int):
                raise ValueError("not a message")
            peer.rank = message["rank"]
            yield message
