"""What a service manager hears, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gpuq_daemon.notify import Notifier

ABSTRACT = f"@gpuq-test-{os.getpid()}"


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A manager's socket, and what NOTIFY_SOCKET calls it."""
    name = ABSTRACT if request.param == "abstract" else str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        receiver.settimeout(5)
        yield receiver, name


def test_fields_arrive_as_lines(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager

    Notifier({"NOTIFY_SOCKET": name}).tell(READY=1, STATUS="12 pending\nSTOPPING=1")

    assert receiver.recv(4096) == b"READY=1\nSTATUS=12 pending STOPPING=1"


def test_a_reload_says_when_it_began(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager

    Notifier({"NOTIFY_SOCKET": name}).reloading()

    first, second = receiver.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_no_child_inherits_the_managers_ear(manager: tuple[socket.socket, str]) -> None:
    environment = {"NOTIFY_SOCKET": manager[1], "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1", "HOME": "/"}

    Notifier(environment)

    assert environment == {"HOME": "/"}


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_that_of_this_process(environment: dict[str, str], watchdog_s: float | None) -> None:
    assert Notifier(environment).watchdog_s == watchdog_s


@pytest.mark.parametrize("name", ["", "/nobody/listens/here", "@gpuq-nobody", "x" * 300])
def test_a_manager_that_does_not_listen_is_no_error(name: str) -> None:
    Notifier({"NOTIFY_SOCKET": name}).tell(READY=1)


async def _beats(notifier: Notifier, alive: bool | Exception, *, rounds: int) -> None:
    """Let the notifier keep telling until it has asked `rounds` times whether the writer lives."""
    asked = 0
    enough = asyncio.Event()

    async def answer() -> None:
        nonlocal asked
        asked += 1
        if asked == rounds:
            enough.set()
        if isinstance(alive, Exception):
            raise alive
        if not alive:
            await asyncio.Event().wait()

    keeping = asyncio.create_task(notifier.keep(lambda: "well", answer))
    await enough.wait()
    await asyncio.sleep(0)
    keeping.cancel()


def test_a_sign_of_life_follows_each_answer_of_the_writer(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager

    asyncio.run(_beats(Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"}), True, rounds=3))

    assert [receiver.recv(4096) for _ in range(2)] == [b"STATUS=well\nWATCHDOG=1"] * 2


def test_a_writer_that_is_silent_gives_no_sign_of_life(
    manager: tuple[socket.socket, str], caplog: pytest.LogCaptureFixture
) -> None:
    receiver, name = manager

    asyncio.run(_beats(Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"}), False, rounds=3))

    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(4096)
    assert {record.message for record in caplog.records} == {"the writer does not answer"}


def test_a_writer_that_cannot_write_lives(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager

    asyncio.run(_beats(Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"}), OSError("full"), rounds=2))

    assert receiver.recv(4096) == b"STATUS=well\nWATCHDOG=1"


def test_without_a_manager_nobody_is_asked() -> None:
    async def never() -> None:
        pytest.fail("nobody wants to know")

    asyncio.run(Notifier({}).keep(lambda: "well", never))
