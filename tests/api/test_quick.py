"""A new job is answered before the router: no request may tell from its answer which of the two has answered."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from typing import Any

import pytest

from tests.support.daemon import Gpuqd, plain_gpuqd

_SCRIPT = "def main_fun(args, ctx):\n    pass\n"
_SPEC = {"script_name": "train.py", "script": _SCRIPT, "hold": True}
_QUICK = "application/json"
_ROUTED = "application/json; charset=utf-8"  # unusual enough for the router
_OF_EACH = ("id", "submitted_at")


@pytest.fixture(scope="module")
def daemon() -> Generator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


@pytest.mark.parametrize(
    "spec",
    [
        _SPEC,
        {**_SPEC, "workers": 2, "args": ["--lr", "0.1"], "nice": 7, "time_limit_s": 60},
        {**_SPEC, "array": "0-3%2"},
        {**_SPEC, "name": "n\u00e4me"},
    ],
)
def test_a_new_job_is_told_alike(daemon: Gpuqd, spec: dict[str, Any]) -> None:
    quick, routed = (_asked(daemon, json.dumps(spec), kind) for kind in (_QUICK, _ROUTED))
    assert quick[0] == routed[0] == 201
    for answer in (quick[1], routed[1]):
        assert answer["id"] > 0
        assert answer["array_id"] in (None, answer["id"])
    assert _common(quick[1]) == _common(routed[1])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        "null",
        json.dumps({**_SPEC, "workers": "2"}),
        json.dumps({**_SPEC, "workers": "two"}),
        json.dumps({**_SPEC, "workers": 0}),
        json.dumps({**_SPEC, "worker": 1}),
        json.dumps({**_SPEC, "partition": "nowhere"}),
        json.dumps({**_SPEC, "script": "x = 1"}),
        json.dumps({**_SPEC, "dependency": "afterok:999999"}),
        '{"script": ' + "[" * 100_000,
    ],
)
def test_what_is_wrong_is_told_alike(daemon: Gpuqd, body: str) -> None:
    quick, routed = (_asked(daemon, body, kind) for kind in (_QUICK, _ROUTED))
    assert (quick[0], _common(quick[1])) == (routed[0], _common(routed[1]))
    assert quick[0] in (201, 400)


def test_a_body_that_comes_in_parts_queues_one_job(daemon: Gpuqd) -> None:
    body = json.dumps({**_SPEC, "script": _SCRIPT + "#" * 300_000})
    status, answer = _asked(daemon, body, _QUICK)
    assert status == 201
    assert answer["state"] == "PENDING"


def test_a_key_queues_one_job_by_either_way(daemon: Gpuqd) -> None:
    ids = {_asked(daemon, json.dumps(_SPEC), kind, key="again-1")[1]["id"] for kind in (_QUICK, _ROUTED, _QUICK)}
    assert len(ids) == 1
    assert _asked(daemon, json.dumps(_SPEC), _QUICK, key="k" * 129)[0] == 400


def _common(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in (*_OF_EACH, "array_id")}


def _asked(daemon: Gpuqd, body: str, kind: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
    data = body.encode()
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: gpuq\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
    head += "" if key is None else f"Idempotency-Key: {key}\r\n"
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(daemon.client.path))
        wire.sendall(f"{head}Connection: close\r\n\r\n".encode() + data)
        answer = b""
        while more := wire.recv(65_536):
            answer += more
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(rest)
