"""The connection that every rank keeps to the driver, at the rank's end; that it breaks tells of a killed rank.

JSON lines over TCP. The driver sends a nonce, the rank answers with its HMAC under the attempt's key, then
tells its state changes; the driver says single words: that all rows are fed, where rows are, that the training is
over, and what it was ordered. A rank's side never fails the training, and waits long only for the first two.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]  # JSON from a rank: "rank", and "state" with what goes with it, or "sample": what it uses

_TIMEOUT_S = 5.0
_LONGEST_WORD = 256
FED = "fed"
OVER = "over"


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
        self._telling = threading.Lock()
        self._unsent = b""
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
        self._tell({"rank": self._rank, "state": state, **more})

    def _tell(self, message: dict[str, object]) -> None:
        if self._socket is None:
            return
        line = json.dumps(message, default=str)
        with contextlib.suppress(OSError), self._telling:
            self._socket.sendall(self._unsent + line.encode() + b"\n")
            self._unsent = b""

    def tell_hook(self, name: str, text: str) -> None:
        """Tell the driver that a program of the site's failed beside this rank."""
        self._tell({"rank": self._rank, "hook": name, "text": text, "node": os.environ.get("GPUQ_NODE")})

    def tell_sample(self, sample: dict[str, Any]) -> None:
        """Tell the driver what this rank uses now; not if it does not listen at once, since the next one is newer."""
        line = json.dumps({"rank": self._rank, "sample": sample}).encode() + b"\n"
        with contextlib.suppress(OSError), self._telling:
            if self._socket is None or not _takes_more(self._socket):
                return
            line = self._unsent or line  # half a line must be ended before all else
            self._unsent = line[self._socket.send(line) :]

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
        self._hear(OVER)

    def _hear(self, word: str) -> None:
        with self._said:
            self._is_fed |= word == FED
            self._has_ended |= word == OVER
            self._said.notify_all()
        if word not in (FED, OVER):
            self._on_word(word)


def _takes_more(connection: socket.socket) -> bool:
    """Whether something can be sent at once."""
    waiting = select.poll()
    waiting.register(connection, select.POLLOUT)
    return bool(waiting.poll(0))


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
