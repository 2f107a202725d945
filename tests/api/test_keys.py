"""Requests that are sent again: one key, one job, whatever breaks in between."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator

import pytest

from gpuq.client import Client
from gpuq.errors import FullError, UnavailableError, UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder

QUICK = "def main_fun(args, ctx):\n    pass\n"
ASKED = {"script_name": "job.py", "script": QUICK, "hold": True}


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def test_a_request_sent_again_returns_the_same_job_as_it_is_now(gpuqd: Gpuqd) -> None:
    first = gpuqd.client.enqueue(ASKED, key="one")
    gpuqd.client.cancel(first["id"])

    again = gpuqd.client.enqueue(ASKED, key="one")
    other = gpuqd.client.enqueue(ASKED, key="two")

    assert (again["id"], again["state"]) == (first["id"], "CANCELLED")
    assert other["id"] == first["id"] + 1


def test_an_array_sent_again_is_one_array(gpuqd: Gpuqd) -> None:
    before = len(gpuqd.client.jobs(everything=True))

    first, again = (gpuqd.client.enqueue({**ASKED, "array": "0-9"}, key="array") for _ in range(2))

    assert first["id"] == again["id"]
    assert len(gpuqd.client.jobs(everything=True)) == before + 10


def test_a_key_is_remembered_by_the_next_gpuqd(gpuqd: Gpuqd) -> None:
    first = gpuqd.client.enqueue(ASKED, key="kept")
    gpuqd.kill()
    gpuqd.start()

    assert gpuqd.client.enqueue(ASKED, key="kept")["id"] == first["id"]


def test_a_key_given_to_another_request_is_refused(gpuqd: Gpuqd) -> None:
    first = gpuqd.client.enqueue(ASKED, key="used")
    before = len(gpuqd.client.jobs(everything=True))

    with pytest.raises(UsageError, match=f"the one that queued job {first['id']}: every new request needs a new key"):
        gpuqd.client.enqueue({**ASKED, "workers": 2}, key="used")

    assert len(gpuqd.client.jobs(everything=True)) == before


@pytest.mark.parametrize("key", ["x" * 129, "two words", ""])
def test_a_key_that_is_none_is_refused(gpuqd: Gpuqd, key: str) -> None:
    before = len(gpuqd.client.jobs(everything=True))

    with pytest.raises(UsageError, match="key"):
        gpuqd.client.enqueue(ASKED, key=key)

    assert len(gpuqd.client.jobs(everything=True)) == before


def test_many_that_ask_the_same_at_once_get_one_job(gpuqd: Gpuqd) -> None:
    before, ids = len(gpuqd.client.jobs(everything=True)), list[int]()
    threads = [
        threading.Thread(target=lambda: ids.append(gpuqd.client.enqueue(ASKED, key="at-once")["id"])) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 16
    assert len(set(ids)) == 1
    assert len(gpuqd.client.jobs(everything=True)) == before + 1


Cut = Callable[[socket.socket, bytes], None]


@contextlib.contextmanager
def cutting(behind: str, cuts: list[Cut]) -> Generator[Client]:
    """Give a client whose connections to the gpuqd `behind` are cut, one after the other, each at another place."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        thread = threading.Thread(target=_serve, args=(server, behind, cuts))
        thread.start()
        try:
            yield Client(str(folder / "s"))
        finally:
            server.shutdown(socket.SHUT_RDWR)  # wakes who waits for a connection
            thread.join()


def _serve(server: socket.socket, behind: str, cuts: list[Cut]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            request = _request(connection)
            cut = cuts.pop(0) if cuts else _whole
            cut(connection, b"" if cut is _unasked else _asked(behind, request))


def _asked(behind: str, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(behind)
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            return stream.read()


def _whole(connection: socket.socket, answer: bytes) -> None:
    connection.sendall(answer)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _unasked(connection: socket.socket, answer: bytes) -> None:
    """Cut before gpuqd has heard anything."""


def _unanswered(connection: socket.socket, answer: bytes) -> None:
    """Cut when gpuqd has queued the job, before a word of its answer."""


def _halved(connection: socket.socket, answer: bytes) -> None:
    """Cut in the middle of the answer."""
    connection.sendall(answer[: len(answer) // 2])


def test_the_client_asks_again_by_itself_and_gets_one_job(gpuqd: Gpuqd) -> None:
    before = len(gpuqd.client.jobs(everything=True))
    with cutting(gpuqd.client.path, [_unasked, _unanswered, _halved, _unanswered]) as client:
        job = client.enqueue(ASKED)

    assert job == gpuqd.client.job(job["id"])
    assert len(gpuqd.client.jobs(everything=True)) == before + 1


def test_who_is_not_answered_in_the_end_is_told_that_nobody_knows(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuq.client._ASK_AGAIN_S", 0.3)
    with (
        cutting(gpuqd.client.path, [_unanswered] * 1000) as client,
        pytest.raises(UnavailableError, match=r"broke off before its answer .* `gpuq queue` shows"),
    ):
        client.enqueue(ASKED)


def test_without_room_nothing_is_queued_and_the_status_is_507(gpuqd: Gpuqd) -> None:
    with plain_gpuqd(more="min_free_mib = 1000000000\n") as full:
        with pytest.raises(FullError, match=r"Nothing can be queued now: the disk of .* MiB left") as refused:
            full.enqueue(QUICK)
        status = _status(full.client.path, json.dumps({"script_name": "job.py", "script": QUICK}).encode())

        assert "\n" not in str(refused.value)
        assert status == 507
        assert full.client.jobs(everything=True) == []


def _status(path: str, body: bytes) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return int(connection.recv(65536).split()[1])
