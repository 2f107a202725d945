"""Who is slow with a question, or does not read the answer, is left alone with it; everybody else is served."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Generator, Iterator

import pytest

from gpuq.client_admin import AdminClient
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.values import MAIN_FUN

_TIMEOUT_S = 0.4
_HEAD = b"POST /v1/jobs HTTP/1.1\r\nHost: gpuq\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd(more=f"[listen]\nrequest_timeout_s = {_TIMEOUT_S}") as daemon:
        yield daemon


@contextlib.contextmanager
def connected(gpuqd: Gpuqd) -> Generator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(30)
        one.connect(gpuqd.client.path)
        yield one


def all_of(one: socket.socket) -> bytes:
    """Return what comes until gpuqd hangs up."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := one.recv(65_536):
            said += piece
    return said


@pytest.mark.parametrize("part", [b"G", b"GET /v1/jobs HTTP/1.1\r\nHost: gp", _HEAD, _HEAD + b'{"script_name": '])
def test_a_question_that_does_not_arrive_is_refused_and_queues_nothing(gpuqd: Gpuqd, part: bytes) -> None:
    before = gpuqd.client.jobs(everything=True)

    with connected(gpuqd) as slow:
        slow.sendall(part)
        said = all_of(slow)

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 "), said
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["status"] == 408
    assert gpuqd.client.jobs(everything=True) == before


def test_a_connection_on_which_nothing_is_ever_said_is_closed(gpuqd: Gpuqd) -> None:
    with connected(gpuqd) as silent:
        assert all_of(silent) == b""


def test_an_answer_that_nobody_reads_is_dropped_with_all_it_holds(gpuqd: Gpuqd) -> None:
    for _ in range(40):
        gpuqd.enqueue(MAIN_FUN, hold=True, args=["x" * 4000] * 8)
    client = AdminClient(gpuqd.client.path)

    with connected(gpuqd) as deaf:
        deaf.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: gpuq\r\n\r\n" * 20)
        until(lambda: client.diag()["connections"] == 1, timeout_s=30, what="the end of the connection")
        said = all_of(deaf)

    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 200 ") < 20
