"""Whatever the document allows, and much that it does not, gpuqd answers as the document says and never with a 5xx.

GPUQ_FUZZ_EXAMPLES sets how many requests each route gets; without it there are few, so that the tests stay quick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

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


def _keeps_to_the_document(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url, checks=_CHECKS, timeout=30)


test_every_route_keeps_to_the_document = schema.parametrize()(
    settings(
        max_examples=int(os.environ.get("GPUQ_FUZZ_EXAMPLES", "8")),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )(_keeps_to_the_document)
)
