"""The stream of changes as the client reads it: server-sent events over HTTP/1.1, by hand as the rest of the client."""

from __future__ import annotations

import json

from gpuq.errors import UnavailableError
from gpuq.problems import error_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

_LONGEST_LINE = 64 * 1024
_LONGEST_EVENT = 64 * 1024 * 1024
_ENDED = "gpuqd ended the stream; it may be starting again."


class Stream:
    """An open stream. Iterate over it for (event, data); the event "" is a sign of life without data.

    `last` is the id to go on from. The iteration never ends by itself: when gpuqd goes away, or is silent for longer
    than it said, that is an error.
    """

    def __init__(self, connection: socket.socket, target: str, head: dict[str, str]) -> None:
        self.last: str | None = head.get("Last-Event-ID")
        self._connection = connection
        self._file = connection.makefile("rb")
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: gpuq\r\n{lines}\r\n".encode())
            self._begin()
        except OSError as error:
            self.close()
            raise UnavailableError(_ENDED) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield each event as it comes.

        Raises:
            UnavailableError: gpuqd ended the stream, or is silent.
        """
        for texts in self._texts():
            for text in texts:
                yield from self._event(text)  # one by one: `last` is that of the event given

    def batches(self) -> Iterator[list[tuple[str, Any]]]:
        """Yield the events that came together; `last` is then that of the last of them.

        Raises:
            UnavailableError: gpuqd ended the stream, or is silent.
        """
        for texts in self._texts():
            if heard := [one for text in texts for one in self._event(text)]:
                yield heard

    def _texts(self) -> Iterator[list[bytes]]:
        rest = b""
        try:
            while piece := self._piece():
                *events, rest = (rest + piece).split(b"\n\n")
                if len(rest) > _LONGEST_EVENT:
                    raise UnavailableError("What gpuqd sends is no stream of events.")
                yield events
        except TimeoutError as error:
            raise UnavailableError("gpuqd has been silent for too long; it may hang.") from error
        except (OSError, ValueError) as error:
            raise UnavailableError(_ENDED) from error
        raise UnavailableError(_ENDED)

    def close(self) -> None:
        """End it; also from another thread, whose reading ends then."""
        import socket

        try:  # noqa: SIM105 - contextlib would cost start-up time
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._file.close()
        self._connection.close()

    def _begin(self) -> None:
        status = self._file.readline(_LONGEST_LINE).split(None, 2)
        length, is_chunked = 0, False
        while (line := self._file.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.lower().partition(b":")
            if name == b"content-length" and value.strip().isdigit():
                length = int(value[:20])
            is_chunked = is_chunked or (name == b"transfer-encoding" and b"chunked" in value)
        if len(status) < 2 or not status[1].isdigit() or len(status[1]) != 3:
            raise UnavailableError(_ENDED)
        if int(status[1]) != 200 or not is_chunked:
            raise error_of(int(status[1]), self._file.read(min(length, _LONGEST_LINE)))

    def _piece(self) -> bytes:
        """Return the next chunk, empty at the end. Source: RFC 9112, 7.1."""
        size = int(self._file.readline(_LONGEST_LINE).strip() or b"0", 16)
        if not 0 <= size <= _LONGEST_EVENT:
            raise ValueError(size)
        piece = self._file.read(size)
        self._file.readline(_LONGEST_LINE)
        return piece if len(piece) == size else b""

    def _event(self, text: bytes) -> Iterator[tuple[str, Any]]:
        event, data = "", b""
        for line in text.split(b"\n"):
            name, _, value = line.partition(b": ")
            if name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"data":
                data = value
            elif name == b"id":
                self.last = value.decode("ascii")
        if event or not text.startswith(b"retry"):
            try:
                value = json.loads(data) if data else None
            except ValueError as error:
                raise UnavailableError(_ENDED) from error
            yield event, value
