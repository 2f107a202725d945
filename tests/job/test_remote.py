"""The native library's client: when another takes its place, and that none is ever freed, which may never end."""

from __future__ import annotations

import asyncio
import gc
import itertools
import socket
from collections.abc import Generator

import pytest

from gpuq_job.hadoop_conf import WebAddress
from gpuq_job.remote import Native, RemoteError

FREED = list[int]()
EVERY_S = 0.75  # the clock's, at each look


class Client:
    """Stands in for the library's, of which the real one waits for its threads when it is freed."""

    made = 0

    def __init__(self) -> None:
        Client.made += 1
        self.number = Client.made

    def __del__(self) -> None:
        FREED.append(self.number)

    async def delete(self, path: str) -> None:
        if path.endswith("refused"):
            raise RuntimeError("safe mode")
        if path.endswith("none"):
            raise FileNotFoundError(path)


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Generator[Native]:
    monkeypatch.setattr(Client, "made", 0)
    FREED.clear()
    seconds = itertools.count(0.0, EVERY_S)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as name_node:
        address = WebAddress(host="127.0.0.1", port=name_node.getsockname()[1], is_tls=False)
        yield Native(Client, (address,), "/logs", lambda: next(seconds))


async def refused(native: Native, times: int) -> None:
    for _ in range(times):
        with pytest.raises(RemoteError, match="safe mode"):
            await native.delete("refused")


def test_a_client_that_fails_is_followed_by_others_ever_more_seldom_and_none_is_freed(
    native: Native,
) -> None:
    asyncio.run(refused(native, 100))

    assert 5 <= Client.made <= 10, "after 1, 2, 4, 8, ... s"
    del native
    gc.collect()
    assert FREED == []


def test_one_that_has_just_come_is_asked_again_and_a_file_that_is_not_there_is_no_failure(
    native: Native,
) -> None:
    asyncio.run(refused(native, 1))
    with pytest.raises(FileNotFoundError):
        asyncio.run(native.delete("none"))
    asyncio.run(native.delete("there"))

    assert Client.made == 1


def test_a_name_node_that_does_not_answer_is_told_before_the_library_is_asked(native: Native) -> None:
    async def while_it_is_away() -> None:
        await refused(native, 1)
        native._nodes = (WebAddress(host="127.0.0.1", port=1, is_tls=False),)  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(RemoteError, match="does not answer"):
            await native.delete("refused")

    asyncio.run(while_it_is_away())
