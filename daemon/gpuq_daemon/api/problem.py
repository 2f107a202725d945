"""Errors as problem documents. Source: RFC 9457."""

from __future__ import annotations

from typing import Any

_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    422: "Cannot be read",
    429: "Too many requests",
    431: "Too large",
    500: "Internal error",
    503: "Unavailable",
    507: "Insufficient storage",
}


def problem(status: int, detail: str) -> dict[str, Any]:
    """Return a problem document as JSON can hold it."""
    return {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status, "detail": detail}
