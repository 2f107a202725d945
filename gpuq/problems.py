"""What the API says when it refuses or fails, as the errors of gpuq."""

from __future__ import annotations

from gpuq.errors import ForbiddenError, FullError, GpuqError, NotFoundError, UnavailableError, UsageError
from gpuq.quick_json import loads

_ERRORS = {
    400: UsageError,
    413: UsageError,
    401: ForbiddenError,
    404: NotFoundError,
    403: ForbiddenError,
    507: FullError,
    503: UnavailableError,
}


def error_of(status: int, answer: bytes) -> GpuqError:
    """Return the error that a problem document (RFC 9457) stands for."""
    try:
        detail = loads(answer)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"gpuqd answered with status {status}."
    return _ERRORS.get(status, GpuqError)(str(detail))
