"""The connections to an HDFS's web servers: kept, bounded in time, and with a ticket where they want one.

Source: Apache Hadoop, "Authentication for Hadoop HTTP web-consoles" (the cookie that stands for a ticket).
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus

from gpuq_job.hadoop_conf import WebAddress

UNAUTHORIZED = "status 401"
_PIECE = 256 * 1024
_MOST_IDLE = 64
_SIGNED_COOKIE = "hadoop.auth="


class RefusedError(Exception):
    """A server understood, and says no: with the class and the words of Hadoop's exception."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words


class Connections:
    """Connections to any web server of an HDFS; those at `named` are told who asks, by `authorization` of their host.

    `ticks` are seconds; an answer may take `deadline_s`, as the sentence about a late one says.
    """

    def __init__(
        self,
        named: tuple[WebAddress, ...],
        authorization: Callable[[str], str] | None,
        deadline_s: float,
        ticks: Callable[[], float],
    ) -> None:
        self._named = frozenset(named if authorization is not None else ())
        self._authorization = authorization
        self._deadline_s = deadline_s
        self._ticks = ticks
        self._lock = threading.Lock()
        self._idle: list[tuple[WebAddress, http.client.HTTPConnection]] = []
        self._cookies: dict[WebAddress, str] = {}

    def exchange(self, address: WebAddress, method: str, target: str, most: int, ends_at: float) -> bytes:
        """Return the body of an answer, `most` bytes of it; on a kept connection if one still stands.

        Raises:
            RefusedError: the server says no.
            KerberosError: it wants a ticket, and there is none.
            OSError, http.client.HTTPException: it does not answer.
        """
        is_known = address in self._cookies
        try:
            return self._once(address, method, target, most, ends_at)
        except RefusedError as error:
            if error.kind != UNAUTHORIZED or not is_known:
                raise
        return self._once(address, method, target, most, ends_at)  # what it knew of us has run out: a ticket again

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            kept, self._idle = self._idle, []
        for _, connection in kept:
            connection.close()

    def _once(self, address: WebAddress, method: str, target: str, most: int, ends_at: float) -> bytes:
        headers = self._credentials(address)
        kept = self._kept_connection(address)
        if kept is not None:
            try:
                return self._on(kept, address, method, target, headers, most, ends_at)
            except (ConnectionError, http.client.RemoteDisconnected, http.client.CannotSendRequest):
                pass  # it was closed at the other end meanwhile
        return self._on(self._connection(address), address, method, target, headers, most, ends_at)

    def _on(
        self,
        connection: http.client.HTTPConnection,
        address: WebAddress,
        method: str,
        target: str,
        headers: dict[str, str],
        most: int,
        ends_at: float,
    ) -> bytes:
        is_whole = False
        try:
            self._limit(connection, ends_at)
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            data = bytearray()
            while len(data) < most:
                self._limit(connection, ends_at)
                piece = answer.read(min(_PIECE, most - len(data)))
                if not piece:
                    break
                data += piece
            is_whole = answer.isclosed() or not answer.read(1)
            self._remember(address, answer)
            if answer.status >= 300:
                raise _refusal(answer.status, bytes(data))
        finally:
            if not is_whole or not self._keep(address, connection):
                connection.close()
        return bytes(data)

    def _credentials(self, address: WebAddress) -> dict[str, str]:
        """Return who asks, for a NameNode that wants to know: its own word of that, or a ticket.

        A DataNode's address has a token in it.
        """
        if self._authorization is None or address not in self._named:
            return {}
        known = self._cookies.get(address)
        return {"Cookie": known} if known is not None else {"Authorization": self._authorization(address.host)}

    def _remember(self, address: WebAddress, answer: http.client.HTTPResponse) -> None:
        if address not in self._named:
            return
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._cookies.pop(address, None)
        for given in answer.headers.get_all("Set-Cookie", []):
            if given.startswith(_SIGNED_COOKIE) and answer.status < 300:
                self._cookies[address] = given.partition(";")[0]

    def _limit(self, connection: http.client.HTTPConnection, ends_at: float) -> None:
        left = ends_at - self._ticks()
        if left <= 0:
            raise TimeoutError(f"no answer within {self._deadline_s:g} s")
        connection.timeout = left
        if connection.sock is not None:
            connection.sock.settimeout(left)

    def _connection(self, address: WebAddress) -> http.client.HTTPConnection:
        if address.is_tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(address.host, address.port, timeout=self._deadline_s, context=context)
        return http.client.HTTPConnection(address.host, address.port, timeout=self._deadline_s)

    def _kept_connection(self, address: WebAddress) -> http.client.HTTPConnection | None:
        with self._lock:
            for place, (known, connection) in enumerate(self._idle):
                if known == address:
                    del self._idle[place]
                    return connection
        return None

    def _keep(self, address: WebAddress, connection: http.client.HTTPConnection) -> bool:
        with self._lock:
            if len(self._idle) >= _MOST_IDLE:
                return False
            self._idle.append((address, connection))
            return True


def _refusal(status: int, data: bytes) -> RefusedError:
    try:
        said = json.loads(data)["RemoteException"]
        return RefusedError(str(said["exception"]), str(said["message"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return RefusedError(f"status {status}", data[:200].decode(errors="replace"))
