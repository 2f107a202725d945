"""A long answer in pieces as it comes, none of it kept."""

from __future__ import annotations

from gpuq.errors import UnavailableError
from gpuq.problems import error_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import IO

_LONGEST_LINE = 64 * 1024
_PIECE = 1024 * 1024
_ENDED = "gpuqd ended before its answer was whole; try again."


def pieces(connection: socket.socket, target: str) -> Iterator[bytes]:
    """Ask over `connection`, which is closed then, and yield the answer's bytes. Source: RFC 9112, 7.1.

    Raises:
        GpuqError: what gpuqd refused it with.
        UnavailableError: it broke off.
    """
    head = f"GET {target} HTTP/1.1\r\nHost: gpuq\r\nConnection: close\r\n\r\n"
    try:
        with connection, connection.makefile("rb") as stream:
            connection.sendall(head.encode())
            _begin(stream)
            while (left := int(stream.readline(_LONGEST_LINE).strip() or b"-1", 16)) > 0:
                while left:
                    piece = stream.read(min(left, _PIECE))
                    if not piece:
                        raise UnavailableError(_ENDED)
                    left -= len(piece)
                    yield piece
                stream.readline(_LONGEST_LINE)
            if left < 0:
                raise UnavailableError(_ENDED)
    except (OSError, ValueError) as error:
        raise UnavailableError(_ENDED) from error


def _begin(stream: IO[bytes]) -> None:
    """Read up to the body of a chunked answer."""
    status = stream.readline(_LONGEST_LINE).split(None, 2)
    length, is_chunked = 0, False
    while (line := stream.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.lower().partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            length = int(value)
        is_chunked = is_chunked or (name == b"transfer-encoding" and b"chunked" in value)
    if len(status) < 2 or not status[1].isdigit():
        raise UnavailableError(_ENDED)
    if int(status[1]) != 200 or not is_chunked:
        raise error_of(int(status[1]), stream.read(min(length, _LONGEST_LINE)))
