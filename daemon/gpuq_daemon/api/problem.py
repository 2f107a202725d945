"""Errors as problem documents. Source: RFC 9457."""

from __future__ import annotations

from typing import Any

from gpuq.errors import ForbiddenError, FullError, GpuqError, NotFoundError, UnavailableError, UsageError
from gpuq_daemon.api.checkpoints import DamagedCheckpointError

OWN_ERROR = "gpuqd met an error of its own; its log says more."
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

_STATUS: dict[type[GpuqError], int] = {
    UsageError: 400,
    ForbiddenError: 403,
    NotFoundError: 404,
    FullError: 507,
    UnavailableError: 503,
    DamagedCheckpointError: 422,
}


def status_of(error: GpuqError) -> int:
    """Return the status that says of which kind an error is."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def problem(status: int, detail: str) -> dict[str, Any]:
    """Return a problem document as JSON can hold it."""
    return {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status, "detail": detail}
