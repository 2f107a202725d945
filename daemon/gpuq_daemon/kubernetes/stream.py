"""Lines of an answer of the Kubernetes API as they come, without a thread: for watches.

Source: RFC 9112; h11 does the framing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from urllib.parse import urlencode, urlsplit

import h11

from gpuq_daemon.kubernetes.access import Access, AccessError
from gpuq_daemon.kubernetes.api import ApiError

_PIECE = 256 * 1024
_LONGEST_LINE = 8 * 1024 * 1024
_WORDS_SHOWN = 300


async def lines(
    access: Access, path: str, query: Mapping[str, str | int], *, silence_s: float
) -> AsyncGenerator[bytes]:
    """Yield each line of an answer to a GET, until its end.

    Raises:
        ApiError: nobody answers, it refuses, it says nothing for `silence_s`, or the connection breaks.
    """
    parts = urlsplit(access.server)
    try:
        async with asyncio.timeout(silence_s):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 443, ssl=access.tls(), server_hostname=parts.hostname
            )
    except (OSError, TimeoutError, AccessError) as error:
        raise ApiError(f"The Kubernetes API {access.server} does not answer: {error}.") from error
    try:
        who = await asyncio.to_thread(access.authorization)  # it may have to ask a program
        headers = [("Host", parts.netloc), ("User-Agent", "gpuq"), ("Accept", "application/json")]
        headers += [] if who is None else [("Authorization", who)]
        exchange = h11.Connection(h11.CLIENT)
        request = h11.Request(method="GET", target=f"{parts.path}{path}?{urlencode(query)}", headers=headers)
        writer.write((exchange.send(request) or b"") + (exchange.send(h11.EndOfMessage()) or b""))
        rest = b""
        async for data in _data(exchange, reader, path, silence_s):
            *whole, rest = (rest + data).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise ApiError(f"{access.server} sends a line of more than {_LONGEST_LINE} bytes.")
            for line in whole:
                yield line
    except (OSError, TimeoutError, h11.ProtocolError, AccessError) as error:
        raise ApiError(f"The Kubernetes API {access.server} broke off: {error or 'it was silent'}.") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()


async def _data(
    exchange: h11.Connection, reader: asyncio.StreamReader, path: str, silence_s: float
) -> AsyncGenerator[bytes]:
    status, said = 0, b""
    while True:
        event = exchange.next_event()
        if event is h11.NEED_DATA:
            async with asyncio.timeout(silence_s):
                exchange.receive_data(await reader.read(_PIECE))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            if status < 300:
                yield bytes(event.data)
            else:
                said += bytes(event.data)[:_WORDS_SHOWN]
        elif isinstance(event, h11.EndOfMessage):
            if status >= 300:
                words = " ".join(said.decode(errors="replace").split())[:_WORDS_SHOWN]
                raise ApiError(f"The Kubernetes API refuses {path} ({status}): {words}", status)
            return
        else:
            raise ApiError(f"The Kubernetes API hung up on {path}.")
