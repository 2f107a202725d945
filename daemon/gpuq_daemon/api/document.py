"""The OpenAPI document: as Litestar makes it from the routes, with errors as they really are."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from gpuq_daemon.api.trying import PARAMETER, can_be_tried

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457); `detail` is a sentence for people.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_WOULD_MOVE = {"$ref": "#/components/schemas/WouldMove"}
_REFUSED = {
    "description": "It was refused, or cannot be done now; nothing was changed.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


@get(
    "/v1/openapi.json",
    media_type="application/json",
    responses={200: ResponseSpec(data_container=dict[str, Any], description="The document.", generate_examples=False)},
)
async def show_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return this document: OpenAPI 3.1."""
    return Response(_encoded(request.app), media_type="application/json")


def document(app: Litestar) -> dict[str, Any]:
    """Return the document of the routes, ready for JSON; its order is that of the routes."""
    made: dict[str, Any] = app.openapi_schema.to_schema()
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            if can_be_tried(method, path):
                operation["parameters"] = [*operation.get("parameters", ()), PARAMETER]
            answers = operation["responses"]
            if can_be_tried(method, path):
                answers["200"] = _tried(answers.get("200"))
            answers.pop("400", None)  # Litestar's own shape of an error, which gpuqd never sends
            answers["default"] = _REFUSED
    made["components"]["schemas"]["Problem"] = _PROBLEM
    return made


def _tried(answer: dict[str, Any] | None) -> dict[str, Any]:
    """Return an answer that says besides, or only, what would come of a change."""
    if answer is None:
        return {"description": "With `dry_run`.", "content": {"application/json": {"schema": _WOULD_MOVE}}}
    schema = answer["content"]["application/json"]["schema"]
    return {**answer, "content": {"application/json": {"schema": {"anyOf": [schema, _WOULD_MOVE]}}}}


@cache
def _encoded(app: Litestar) -> bytes:
    return (json.dumps(document(app), indent=1, ensure_ascii=False) + "\n").encode()
