"""Ten thousand connections at once, too few descriptors for them, a backlog that is full: nobody else notices."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
from collections.abc import Generator, Iterator

import pytest

from gpuq.client_admin import AdminClient
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.values import MAIN_FUN

MANY = 10_000


@pytest.fixture(scope="module", autouse=True)
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY + 1000:
        pytest.skip(f"this process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def opened(path: str, count: int) -> Generator[list[socket.socket]]:
    """Give so many connections on which nothing is asked."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) for _ in range(count)]
        for one in found:
            until(lambda one=one: _connects(one, path), timeout_s=30, what="a place in the backlog")
            one.setblocking(False)
        yield found


def _connects(one: socket.socket, path: str) -> bool:
    one.setblocking(False)
    try:
        one.connect(path)
    except BlockingIOError:
        return False
    return True


def is_open(one: socket.socket) -> bool:
    """Whether the other end has not closed it."""
    try:
        return bool(one.recv(1))
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_ten_thousand_idle_connections_of_a_user_leave_room_for_their_next_question() -> None:
    with plain_gpuqd(more="[listen]\nconnections_per_user = 1000") as gpuqd, opened(gpuqd.client.path, MANY) as idle:
        job = gpuqd.ended(gpuqd.enqueue(MAIN_FUN))
        held = AdminClient(gpuqd.client.path).diag()["connections"]

        assert job["state"] == "COMPLETED"
        assert held <= 1000
        assert [is_open(idle[0]), is_open(idle[-1])] == [False, True], "the one that is idle longest makes room"


def test_ten_thousand_open_connections_do_no_harm() -> None:
    with plain_gpuqd(more=f"[listen]\nconnections_per_user = {2 * MANY}") as gpuqd:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = min(MANY, hard // 2 - 256)  # half of the descriptors are for jobs and files
        with opened(gpuqd.client.path, MANY) as idle:
            job = gpuqd.ended(gpuqd.enqueue(MAIN_FUN))

            assert job["state"] == "COMPLETED"
            assert sum(map(is_open, idle)) >= room - 1
        until(lambda: _held(gpuqd) <= 2, timeout_s=30, what="the end of all connections")


def test_with_few_descriptors_gpuqd_goes_on_answering_and_starting_jobs() -> None:
    with plain_gpuqd() as gpuqd:
        gpuqd.stop()
        gpuqd.start(most_files=256)
        with opened(gpuqd.client.path, 1000):
            diag = AdminClient(gpuqd.client.path).diag()
            jobs = [gpuqd.ended(gpuqd.enqueue(MAIN_FUN)) for _ in range(3)]

        assert diag["most_files"] == 256
        assert diag["open_files"] < 256
        assert [job["state"] for job in jobs] == ["COMPLETED"] * 3


def test_a_client_that_finds_the_backlog_full_comes_again() -> None:
    with plain_gpuqd() as gpuqd:
        answers = list[object]()
        asking = threading.Thread(target=lambda: answers.append(gpuqd.client.cluster()["name"]))
        with gpuqd.standing_still(), contextlib.ExitStack() as stack:
            waiting = 0
            while True:
                one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                if not _connects(one, gpuqd.client.path):
                    break
                waiting += 1
            asking.start()
        asking.join(30)

        assert answers == ["test"]
        assert waiting >= 1000


def _held(gpuqd: Gpuqd) -> int:
    return AdminClient(gpuqd.client.path).diag()["connections"]
