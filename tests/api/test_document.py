"""The OpenAPI document is current, and gpuqd keeps to it whatever it is sent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuq import __version__
from tests.support.asking import got
from tests.support.daemon import Gpuqd, plain_gpuqd

_COPY = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Gpuqd]:
    with plain_gpuqd() as running:
        yield running


@pytest.fixture(scope="module")
def document(daemon: Gpuqd) -> dict[str, Any]:
    return json.loads(got(daemon, "/v1/openapi.json")[1])


def test_the_copy_in_the_docs_is_current(daemon: Gpuqd) -> None:
    said = got(daemon, "/v1/openapi.json")[1]
    if os.environ.get("GPUQ_WRITE_OPENAPI"):  # the way to bring the copy up to date
        _COPY.write_text(said)
    assert _COPY.read_text() == said, "run GPUQ_WRITE_OPENAPI=1 pytest tests/api/test_document.py, and look at the diff"


def test_every_route_says_what_it_is_for_and_how_it_refuses(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            problem = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
            assert problem == {"$ref": "#/components/schemas/Problem"}, (method, path)
            assert operation.get("description"), (method, path)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/v1/jobs/99", 404), ("GET", "/v1/nothing", 404), ("PUT", "/v1/jobs", 405), ("POST", "/v1/jobs", 400)],
)
def test_errors_are_problem_documents(daemon: Gpuqd, method: str, target: str, status: int) -> None:
    found, body, kind = got(daemon, target, method)
    problem = json.loads(body)
    assert (found, kind) == (status, "application/problem+json")
    assert problem["status"] == status
    assert problem["detail"]


def test_what_there_is_not_is_named_with_the_version_that_lacks_it(daemon: Gpuqd) -> None:
    for method, target in (("GET", "/v1/nosuch"), ("PUT", "/v1/jobs")):
        said = json.loads(got(daemon, target, method)[1])["detail"]
        assert said == f"gpuqd {__version__} has no {method} {target}; GET /v1/openapi.json lists all it has."
