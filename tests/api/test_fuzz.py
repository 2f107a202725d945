"""Whatever the document allows, and much that it does not, gpuqd answers as the document says and never with a 5xx.

GPUQ_FUZZ_EXAMPLES sets how many requests each route gets; without it there are few, so that the tests stay quick.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.daemon import plain_gpuqd
from tests.support.tcp import on_loopback

pytestmark = pytest.mark.filterwarnings("default")  # of schemathesis and what it uses, which is not ours
_DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
_ENDLESS = r"/v1/events|/wait"
# schemathesis is typed in part only
_openapi: Any = import_module("schemathesis.openapi")
_checks: Any = import_module("schemathesis.specs.openapi.checks")
_server: Any = import_module("schemathesis.checks")
_RIGHT = {(200, "text/event-stream"), (400, "application/problem+json"), (404, "application/problem+json")}
_CHANGES = [
    (method.upper(), re.sub(r"\{[^}]*\}", "1", path))
    for path, methods in _DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
]
_CHECKS = [
    _server.not_a_server_error,
    _checks.response_schema_conformance,
    _checks.content_type_conformance,
]
schema = _openapi.from_dict(_DOCUMENT).exclude(path_regex=_ENDLESS)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with plain_gpuqd() as daemon, on_loopback(daemon.client.path) as found:
        yield found
        assert daemon.process is not None
        assert daemon.process.poll() is None, "it still lives"


def _asked(request: Request | str) -> tuple[int, str]:
    """Return the status and the kind of an answer; of a stream nothing is read."""
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers.get_content_type()
    except HTTPError as error:
        return error.code, error.headers.get_content_type()


_BODIES = {
    "surrogate": b"\xed\xb3\xbf",
    "latin": b'{"name": "\xff"}',
    "zero": b"\x00",
    "deep": b"[" * 100_000,
    "nan": b"NaN",
}


@pytest.mark.parametrize("body", _BODIES.values(), ids=_BODIES)
def test_a_body_of_any_bytes_is_refused_by_every_route_that_takes_one(url: str, body: bytes) -> None:
    for method, path in _CHANGES:
        status, kind = _asked(Request(url + path, body, {"Content-Type": "application/json"}, method=method))
        assert (400 <= status < 500, kind) == (True, "application/problem+json"), (method, path)


def _keeps_to_the_document(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url, checks=_CHECKS, timeout=30)


@pytest.mark.parametrize("path", ["/v1/jobs/7/wait", "/v1/events"])
def test_routes_that_take_their_time_refuse_at_once_what_they_do_not_know(url: str, path: str) -> None:
    for query in (
        "timeout_s=x",
        "timeout_s=-1",
        "timeout_s=1e99",
        "heartbeat_s=0",
        "heartbeat_s=nan",
        "job=0",
        "job=x",
    ):
        assert _asked(f"{url}{path}?{query}") in _RIGHT, query


@pytest.mark.parametrize("number", [0, -1, 2**62, 2**63, 2**70])
@pytest.mark.parametrize("path", ["/v1/compare", "/v1/chart"])
def test_a_number_in_a_list_that_no_job_can_have_is_no_job(url: str, path: str, number: int) -> None:
    assert _asked(f"{url}{path}?job={number}")[0] in (400, 404)
    assert _asked(f"{url}/v1/events?job={number}") in _RIGHT
    assert _asked(f"{url}/v1/messages?job={number}") in _RIGHT


test_every_route_keeps_to_the_document = schema.parametrize()(
    settings(
        max_examples=int(os.environ.get("GPUQ_FUZZ_EXAMPLES", "8")),
        deadline=None,
        database=None,
        derandomize="GPUQ_FUZZ_EXAMPLES" not in os.environ,  # what failed fails again; chance is for those who ask
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )(_keeps_to_the_document)
)
