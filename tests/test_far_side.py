"""What comes over a connection, or out of a job's file, may be anything: it is understood, or refused as promised."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuq.client import Client
from gpuq.errors import GpuqError
from gpuq.remote import connect
from gpuq_daemon.collectors.reports import read_reports
from gpuq_daemon.policy.lifecycle import Reported

_HEADS = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.1 \xff\r\n",
            b"HTTP/1.1 " + b"9" * 5000 + b" x\r\n",
            b"Content-Length: 5\r\n", b"Content-Length: -5\r\n", b"Content-Length: 99999999999999\r\n",
            b"Content-Length: " + b"9" * 5000 + b"\r\n",
            b"Transfer-Encoding: chunked\r\n", b"\r\n", b"\n", b"5\r\nevent\r\n", b"ffffffffffffffff\r\n", b"-1\r\n",
            b"{}", b"[]", b"null", b'{"detail": 1}', b'{"jobs": 3}', b'{"name": "', b"\x00", b"event: job\n",
            b"data: {\n\n", b"data: {}\n\n", b"id: \xff\n\n", b"retry: x\n\n", b":\n\n",
        ]
    ),
    max_size=8,
).map(b"".join)  # fmt: skip
_ANSWERS = st.one_of(_HEADS, st.binary(max_size=60), st.tuples(_HEADS, st.binary(max_size=30)).map(b"".join))
_FEW = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


class Answered(Client):
    """A client whose far side says these bytes and hangs up."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("/nowhere", timeout_s=5)
        self._said = answer

    def _connected(self, *, timeout_s: float, is_plain: bool = False) -> socket.socket:
        mine, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(self._said)
        mine.settimeout(timeout_s)
        return mine


@_FEW
@given(_ANSWERS)
def test_an_answer_of_any_bytes_is_json_or_an_error_for_people(answer: bytes) -> None:
    with contextlib.suppress(GpuqError):
        json.dumps(Answered(answer).cluster())


@_FEW
@given(_ANSWERS)
def test_a_stream_of_any_bytes_is_events_until_it_is_an_error_for_people(answer: bytes) -> None:
    with pytest.raises(GpuqError):
        _heard(answer)


def _heard(answer: bytes) -> None:
    with Answered(answer).stream() as stream:
        for kind, _ in stream:
            assert isinstance(kind, str)


@_FEW
@given(st.text(max_size=40), st.sampled_from(["https://", "ssh://", "http://", "unix://", "x://", ""]))
def test_what_names_no_host_is_refused_before_anything_is_run(name: str, scheme: str) -> None:
    target = f"{scheme}-{name}"  # no host begins with a dash: nothing is asked of any
    with pytest.raises(GpuqError):
        connect(target, timeout_s=0.01)


_REPORTS = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        ).map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"kind": st.sampled_from(["application", "rank", "outcome", "x", 1])},
            optional={
                "t": st.floats() | st.text(max_size=3),
                "rank": st.integers() | st.none(),
                "role": st.text(max_size=5),
                "host": st.text(max_size=5),
                "state": st.sampled_from(["RUNNING", "DONE", "FAILED", "?"]),
                "pid": st.integers(),
                "exit_code": st.integers(),
                "gpus": st.lists(st.text(max_size=3), max_size=3) | st.none(),
                "application_id": st.text(max_size=300),
                "tail": st.lists(st.text(max_size=5)) | st.text(max_size=5),
            },
        ).map(lambda value: json.dumps(value).encode()),
    ),
    max_size=6,
).map(b"\n".join)


@_FEW
@given(_REPORTS, st.integers(0, 300))
def test_reports_of_any_bytes_are_read_to_the_last_whole_line(tmp_path: Path, text: bytes, offset: int) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_bytes(text)

    said = read_reports(file, offset, 2)

    assert isinstance(said, Reported)
    assert said.offset == max(offset, text.rfind(b"\n") + 1)
    assert all(rank.rank < 2 for rank in said.ranks)
    assert read_reports(file, said.offset, 2) == Reported(offset=said.offset)
