"""Who is at the other end of the socket, as the kernel says."""

from __future__ import annotations

import asyncio
import pwd
import socket
import struct
from typing import Any

from litestar import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gpuq_daemon.store.jobs import Owner

_UCRED = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid


class PeerProtocol(HttpToolsProtocol):
    """HTTP whose requests carry the peer's uid; a connection that has none is dropped."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn's own
        peer: socket.socket | None = transport.get_extra_info("socket")
        try:
            if peer is None:
                raise OSError("no socket")
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        except OSError:
            transport.abort()
            return
        self._peer_uid = _UCRED.unpack(credentials)[1]
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"gpuq.peer": {"uid": self._peer_uid}}


def owner(request: Request[Any, Any, Any]) -> Owner:
    """Return who asks. A uid without a name is called by its number."""
    extensions: dict[str, Any] = request.scope.get("extensions") or {}
    uid: int = extensions["gpuq.peer"]["uid"]
    try:
        return Owner(user=pwd.getpwuid(uid).pw_name, uid=uid)
    except KeyError:
        return Owner(user=str(uid), uid=uid)
