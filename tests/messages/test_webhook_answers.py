"""What a webhook's answer is taken for, and how hosts are found: by real sockets and threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gpuq_daemon.messages.names import Names
from gpuq_daemon.messages.sending import NotSentError
from gpuq_daemon.messages.webhook import post

_CONTINUE = b"HTTP/1.1 100 Continue\r\nServer: x\r\n\r\n"


async def answered(answer: bytes) -> None:
    """Post to a server that says this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def here(_host: str, _port: int) -> str:
        return "127.0.0.1"

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await post(f"http://127.0.0.1:{port}/x", b"{}", {}, resolve=here, private=True, timeout_s=30)


@pytest.mark.parametrize("interim", [b"", _CONTINUE, _CONTINUE + b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_an_answer_counts_that_others_announce(interim: bytes) -> None:
    asyncio.run(answered(interim + b"HTTP/1.1 204 No Content\r\n\r\n"))
    with pytest.raises(NotSentError, match="answered 500"):
        asyncio.run(answered(interim + b"HTTP/1.1 500 Oops\r\n\r\n"))


@pytest.mark.parametrize(
    ("answer", "why"),
    [(_CONTINUE * 40, "only promises"), (_CONTINUE, "without an answer"), (b"SSH-2.0\r\n", "not HTTP")],
)
def test_what_is_never_an_answer_is_no_success(answer: bytes, why: str) -> None:
    with pytest.raises(NotSentError, match=why):
        asyncio.run(answered(answer))


def test_a_host_that_is_not_found_holds_up_its_own_messages_only() -> None:
    found, looks = threading.Event(), list[str]()

    def look(host: str, _port: int) -> str:
        looks.append(host)
        if host.startswith("dead"):
            found.wait()
        return "192.0.2.1"

    async def course() -> None:
        names = Names(look, most=3)
        dead = [asyncio.create_task(names.address("dead", 443)) for _ in range(10)]
        dead += [asyncio.create_task(names.address("dead2", 443))]
        assert await names.address("lives", 443) == "192.0.2.1"
        dead += [asyncio.create_task(names.address("dead3", 443))]
        await asyncio.sleep(0)
        with pytest.raises(NotSentError, match="do not answer for 3 others"):
            await names.address("fourth", 443)
        dead[0].cancel()  # who gives up takes nothing from who waits
        found.set()
        answers = await asyncio.gather(*dead, return_exceptions=True)
        assert answers[1:] == ["192.0.2.1"] * 11
        assert sorted(looks) == ["dead", "dead2", "dead3", "lives"]
        names.close()

    asyncio.run(course())
