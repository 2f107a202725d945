"""A webhook: one POST of JSON to a host that the site allows, signed, to no other place and by no redirection.

The host was looked at when the job was queued and is looked at again before each try. Its name is resolved once, the
address is judged, and that very address is connected to: a name that leads elsewhere a moment later changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from gpuq_daemon.messages.sending import NotSentError
from gpuq_daemon.policy.ways import host_of

_LONGEST_HEAD = 16 * 1024
_MOST_INTERIM = 16  # answers of 1xx, which another follows. Source: RFC 9110, 15.2
_AGAIN = frozenset({408, 425, 429})  # refusals that pass

Resolve = Callable[[str, int], Awaitable[str]]


def signed(key: str, body: bytes, at: int) -> dict[str, str]:
    """Return the headers by which a receiver knows the sender and the time.

    Source: Slack, "Verifying requests from Slack": HMAC-SHA256 of "v0:<timestamp>:<body>".
    """
    made = hmac.new(key.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Gpuq-Timestamp": str(at), "X-Gpuq-Signature": f"v0={made}"}


def address_refusal(address: str, host: str, *, private: bool) -> str | None:
    """Return why an address that a host's name leads to is not connected to, or None.

    An address that is named as such was allowed as such.
    """
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None) or found
    if address == host.strip("[]"):
        return None
    if mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified or mapped.is_reserved:
        return f"{host} leads to {address}, where nothing is sent"
    if not mapped.is_global and not private:
        return f"{host} leads to {address}, inside the private network: webhook_private in [notify] would allow it"
    return None


async def post(
    url: str, body: bytes, headers: dict[str, str], *, resolve: Resolve, private: bool, timeout_s: float
) -> None:
    """Send `body` to `url` and return once it was taken: an answer of 2xx.

    Raises:
        NotSentError: it was not.
    """
    host, port = host_of(url)
    try:
        async with asyncio.timeout(timeout_s):
            address = await resolve(host, port)
            refused = address_refusal(address, host, private=private)
            if refused is not None:
                raise NotSentError(refused)
            status = await _status(url, host, port, address, body, headers)
    except TimeoutError as error:
        raise NotSentError(f"{host} did not answer within {timeout_s:g} s") from error
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise NotSentError(f"{host}: {_cause(error)}") from error
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotSentError(f"{host} answered {status}, a redirection, which is not followed", is_final=True)
    raise NotSentError(f"{host} answered {status}", is_final=400 <= status < 500 and status not in _AGAIN)


async def _status(url: str, host: str, port: int, address: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        address,
        port,
        limit=_LONGEST_HEAD,
        ssl=ssl.create_default_context() if is_tls else None,
        server_hostname=host if is_tls else None,
    )
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {
            "Host": parts.netloc, "User-Agent": "gpuqd", "Content-Type": "application/json", **headers,
            "Content-Length": str(len(body)), "Connection": "close",
        }  # fmt: skip
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(head.encode("ascii") + b"\r\n" + body)
        await writer.drain()
        for _ in range(_MOST_INTERIM):
            status = await _status_line(reader)
            if not 100 <= status < 200:
                return status
            while await reader.readuntil(b"\r\n") != b"\r\n":
                continue
        raise ValueError("it only promises an answer")
    finally:
        writer.close()


async def _status_line(reader: asyncio.StreamReader) -> int:
    version, _, rest = (await reader.readuntil(b"\r\n")).decode("latin-1").partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise ValueError("its answer is not HTTP")
    return int(rest[:3])


def _cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, asyncio.IncompleteReadError):
        return "closed the connection without an answer"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
