"""The request that comes by the thousand, a new job, answered before the router: half of the CPU time it takes there.

Only what is plainly right is answered here. Whatever is unusual (a body in parts, JSON that does not fit, a key of odd
characters) goes to the router with its body, and so do all errors in it: there is one place that words them.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from gpuq.errors import GpuqError
from gpuq.models import Job, JobSpec
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.enqueue import queue, unknown_fields
from gpuq_daemon.api.keys import KEY
from gpuq_daemon.api.problem import OWN_ERROR, problem, status_of
from gpuq_daemon.api.task_names import in_words
from gpuq_daemon.api.timing import App, Receive, Scope, Send

logger = logging.getLogger(__name__)

_PATH = "/v1/jobs"
_KEY = re.compile(KEY)
_SPEC = msgspec.json.Decoder(JobSpec)
_JOB = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, as far as those who queue it look at it."""

    scope: Scope


def quick(app: App, desk: Desk) -> App:
    """Return `app`, with new jobs let in before it."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != "POST":
            return await app(scope, receive, send)
        first = await receive()
        read = _read(scope, first)
        if read is None:
            return await app(scope, _again(first, receive), send)
        scope["path_template"] = _PATH
        try:
            job: Job = await queue(desk, _Asked(scope), *read)
        except GpuqError as error:
            return await _refuse(send, status_of(error), in_words(desk, str(error)))
        except Exception:
            logger.exception("a request failed")
            return await _refuse(send, 500, OWN_ERROR)
        return await _send(send, 201, b"application/json", _JOB.encode(job))

    return answer


def _read(scope: Scope, first: Any) -> tuple[JobSpec, str | None] | None:
    """Return what is asked for, and its key; None if anything of it is unusual."""
    if first["type"] != "http.request" or first.get("more_body", False):
        return None
    headers = dict[bytes, bytes](scope["headers"])
    key = headers.get(b"idempotency-key")
    if headers.get(b"content-type", b"") != b"application/json" or len(headers) != len(scope["headers"]):
        return None
    if key is not None and not _KEY.match(key.decode("latin-1")):
        return None
    try:
        spec = _SPEC.decode(first["body"])
        unknown = unknown_fields(first["body"])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None if unknown else (spec, None if key is None else key.decode("latin-1"))


def _again(first: Any, receive: Receive) -> Receive:
    """Return a `receive` that begins with a message that was already taken."""
    left = [first]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again


async def _refuse(send: Send, status: int, detail: str) -> None:
    await _send(send, status, b"application/problem+json", msgspec.json.encode(problem(status, detail)))


async def _send(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
