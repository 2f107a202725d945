"""A parameter that can be one thing only is given once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon.api.gate import repeated

_DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())


def is_list(schema: dict[str, Any]) -> bool:
    several = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    return schema.get("type") == "array" or any(is_list(one) for one in several)


@pytest.mark.parametrize("path", _DOCUMENT["paths"])
def test_every_parameter_is_refused_the_second_time_unless_its_route_takes_several(path: str) -> None:
    for operation in _DOCUMENT["paths"][path].values():
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                name = parameter["name"]
                found = repeated(path.replace("{job_id}", "1"), f"{name}=1&x=2&{name}=3".encode())
                assert found == (None if is_list(parameter["schema"]) else name), (path, name)


@pytest.mark.parametrize("query", [b"", b"a=1", b"a=1&b=2", b"=1&a=2", b"%ff=1&%fe=2"])
def test_what_is_given_once_passes(query: bytes) -> None:
    assert repeated("/v1/jobs", query) is None


def test_a_name_is_the_same_however_it_is_written() -> None:
    assert repeated("/v1/jobs/1/cancel", b"index=0&%69ndex=1") == "index"
    assert repeated("/v1/jobs", b"\x1b[31m=1&\x1b[31m=2") is not None
