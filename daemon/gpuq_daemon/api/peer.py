"""The far end of a connection: who it is as the kernel says, and what it may take of time and memory."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Hashable
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gpuq_daemon.api.caller import owner as owner
from gpuq_daemon.api.connections import Connections
from gpuq_daemon.api.gate import PEER

_UCRED = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid
_MOST_HEAD = 32 * 1024


class TooLargeError(Exception):
    """Ends the parsing of a request whose fields are refused."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP that ends a connection which is too slow, too large, or one too many of its user.

    A request must have arrived, and an answer be read, within `timeout_s`.
    """

    def __init__(self, *args: Any, connections: Connections, timeout_s: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self._all = connections
        self._timeout_s = timeout_s
        self._key: Hashable = None  # None: not among the connections
        self._peer: dict[str, Any] = {}
        self._arriving: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._head_bytes = 0  # of a head that has not arrived yet
        self._field_bytes = 0  # of the address and all fields, those behind the body among them
        self._body_bytes = 0
        self._is_in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn's own
        super().connection_made(transport)
        found = self._identify(transport)
        if found is None:
            transport.abort()
            return
        key, self._peer = found
        if not self._all.opened(key, self):
            self._refuse(503, "Service Unavailable")
            return
        self._key = key
        self._arriving = self.loop.call_later(self._timeout_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._arriving, self._unread):
            if timer is not None:
                timer.cancel()
        if self._key is not None:
            self._all.grown(self._key, -self._body_bytes)
            self._all.closed(self._key, self)
            self._key = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._key is None or self.transport.is_closing():
            return  # refused, and closing
        if not self._is_in_body:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > _MOST_HEAD:
            self._refuse(431, "Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._field_bytes = 0
        extensions: dict[Any, Any] = {PEER: dict(self._peer)}
        self.scope["extensions"] = extensions
        self._all.asked(self._key, self)
        if self._arriving is None:
            self._arriving = self.loop.call_later(self._timeout_s, self._too_slow)

    def on_url(self, url: bytes) -> None:
        self._count_fields(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; what follows a body in pieces (RFC 9112, 7.1.2) is not kept."""
        self._count_fields(len(name) + len(value) + 4)
        if not self._is_in_body:
            super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, unless the request has been refused already."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        self._head_bytes = 0
        self._is_in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if not self._all.grown(self._key, len(body)):
            self._refuse(503, "Service Unavailable")
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._key is not None:
            self._all.grown(self._key, -self._body_bytes)
            self._body_bytes = 0
            if not self.pipeline:
                self._all.answered(self._key, self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Give the other end its time to read what is written."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the other end has read."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def close_idle(self) -> None:
        """Close a connection on which nothing is asked."""
        self.transport.close()

    def _identify(self, transport: asyncio.Transport) -> tuple[Hashable, dict[str, Any]] | None:
        """Return whose connection it is, and what requests are told of it; None if that cannot be known."""
        raise NotImplementedError

    def _count_fields(self, more: int) -> None:
        """Refuse fields beyond the bound: a head that came whole in one piece is measured nowhere else."""
        self._field_bytes += more
        if self._field_bytes > _MOST_HEAD:
            self._refuse(431, "Request Header Fields Too Large")
            raise TooLargeError

    def _too_slow(self) -> None:
        self._arriving = None
        if self._head_bytes or self._is_in_body:
            self._refuse(408, "Request Timeout")
        else:
            self.transport.close()

    def _refuse(self, status: int, title: str) -> None:
        """Answer with a problem document, without the application, and hang up. Source: RFC 9457."""
        if not self.transport.is_closing():
            problem = {"type": "about:blank", "title": title, "status": status, "detail": f"{title}."}
            body = msgspec.json.encode(problem)
            self.transport.write(
                f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
                + body
            )
            self.transport.close()


class PeerProtocol(BoundedProtocol):
    """HTTP whose requests carry the peer's uid and pid; a connection that has none is dropped."""

    def _identify(self, transport: asyncio.Transport) -> tuple[Hashable, dict[str, Any]] | None:
        peer: socket.socket | None = transport.get_extra_info("socket")
        if peer is None or peer.family != socket.AF_UNIX:
            return None
        try:
            pid, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        except OSError:
            return None
        return uid, {"uid": uid, "pid": pid}


class TokenProtocol(BoundedProtocol):
    """HTTP over TLS whose requests carry the peer's address and the token it shows."""

    def _identify(self, transport: asyncio.Transport) -> tuple[Hashable, dict[str, Any]] | None:
        name = transport.get_extra_info("peername")
        return None if not name else (name[0], {"address": f"{name[0]}:{name[1]}", "authorization": None})

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the token out of the headers that anything else sees."""
        if name.lower() == b"authorization" and not self._is_in_body:
            self.scope["extensions"][PEER]["authorization"] = value.decode("latin-1")  # pyright: ignore - set above
        else:
            super().on_header(name, value)
