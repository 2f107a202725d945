"""What one connection may hand in, however it is cut into pieces."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from gpuq.client_admin import AdminClient
from tests.support.daemon import Gpuqd, plain_gpuqd, until

CHUNKED = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd(more="[listen]\nconnections_per_user = 8") as daemon:
        yield daemon


def said(gpuqd: Gpuqd, data: bytes) -> bytes:
    """Return all that gpuqd answers until it closes the connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(30)
        asking.connect(gpuqd.client.path)
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            asking.sendall(data)  # it may hang up before it has heard all
        with contextlib.suppress(ConnectionResetError):
            while piece := asking.recv(65536):
                answer += piece
        return answer


@pytest.mark.parametrize(
    "fields",
    [b"a: " + b"b" * 40_000 + b"\r\n", b"".join(b"a%d: b\r\n" % n for n in range(5000))],
    ids=["one long", "many short"],
)
def test_a_head_that_is_too_large_is_refused_also_when_it_comes_at_once(gpuqd: Gpuqd, fields: bytes) -> None:
    answer = said(gpuqd, b"GET /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + fields + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 431 "), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"content-type: application/problem+json\r\n" in answer


def test_an_address_that_is_too_long_is_refused(gpuqd: Gpuqd) -> None:
    answer = said(gpuqd, b"GET /v1/jobs?user=" + b"a" * 40_000 + b" HTTP/1.1\r\nconnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 431 "), answer[:200]


def test_fields_behind_a_body_are_bounded_too(gpuqd: Gpuqd) -> None:
    before = memory_kib(gpuqd)
    fields = b"".join(b"a%d: b\r\n" % n for n in range(20_000))

    answer = said(gpuqd, CHUNKED + fields * 50)  # of these 9 MB each would stay, ten times as large

    assert b"HTTP/1.1 200" not in answer
    assert memory_kib(gpuqd) - before < 20_000


def test_a_few_fields_behind_a_body_mean_nothing(gpuqd: Gpuqd) -> None:
    answer = said(gpuqd, CHUNKED + b"connection: close\r\nauthorization: Bearer x\r\n\r\n" + b"PRI * HTTP/2.0\r\n\r\n")

    assert b"needs a body" in answer, answer


def test_a_body_that_is_too_large_is_refused(gpuqd: Gpuqd) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"

    answer = said(gpuqd, head + b"content-length: 5000000\r\n\r\n" + b" " * 5_000_000)

    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]
    assert b"application/problem+json" in answer


def test_a_user_whose_questions_take_every_connection_is_refused_the_next_until_one_is_over(gpuqd: Gpuqd) -> None:
    half = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            asking.settimeout(30)
            asking.connect(gpuqd.client.path)
            asking.sendall(half)
            assert asking.recv(100).startswith(b"HTTP/1.1 100 ")

        refused = said(gpuqd, b"")

    assert refused.startswith(b"HTTP/1.1 503 "), refused
    until(lambda: AdminClient(gpuqd.client.path).diag()["connections"] == 1, timeout_s=30, what="room")


def memory_kib(gpuqd: Gpuqd) -> int:
    assert gpuqd.process is not None
    with open(f"/proc/{gpuqd.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
