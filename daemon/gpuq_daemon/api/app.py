"""The ASGI application: routes, and errors as problem documents."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig

from gpuq import __version__
from gpuq.errors import GpuqError
from gpuq.text import clean, fit
from gpuq_daemon.api import (
    accounts,
    ahead,
    audit,
    changes,
    charts,
    checkpoints,
    cluster,
    comparison,
    diag,
    document,
    enqueue,
    event_files,
    events,
    gpus,
    history,
    jobs,
    limits,
    logs,
    messages,
    notes,
    points,
    record,
    reservations,
    series,
    shares,
    telemetry,
    tokens,
    trace,
    usage,
    utilisation,
)
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.problem import OWN_ERROR, problem, status_of
from gpuq_daemon.api.task_names import in_words
from gpuq_daemon.api.trying import desk_of

logger = logging.getLogger(__name__)

_LARGEST_BODY = 4 * 1024 * 1024
_LONGEST_ASKED = 200
_ROUTES = (
    cluster.show_cluster,
    record.queue_then,
    record.replay,
    ahead.eta_report,
    ahead.sooner,
    ahead.what_if,
    gpus.list_gpus,
    diag.show_diag,
    diag.reset_diag,
    diag.reload_config,
    events.stream_events,
    jobs.list_jobs,
    jobs.table,
    history.history,
    usage.usage,
    usage.usage_table,
    utilisation.utilisation,
    utilisation.utilisation_table,
    utilisation.node_history,
    enqueue.enqueue,
    enqueue.test,
    jobs.show,
    jobs.explain,
    jobs.spec,
    jobs.when,
    jobs.priority,
    jobs.wait,
    changes.cancel,
    changes.stacks,
    changes.hold,
    changes.release,
    changes.top,
    changes.requeue,
    changes.update,
    logs.read_log,
    series.list_series,
    series.curve,
    series.histograms,
    series.heatmap,
    comparison.compare_jobs,
    trace.trace,
    charts.chart,
    charts.heat_picture,
    points.points,
    event_files.list_event_files,
    event_files.read_event_file,
    notes.list_texts,
    notes.list_pictures,
    notes.picture,
    checkpoints.list_checkpoints,
    checkpoints.show_checkpoint,
    checkpoints.weights,
    shares.list_shares,
    shares.ledger,
    accounts.list_accounts,
    accounts.add_account,
    accounts.modify_account,
    accounts.delete_account,
    accounts.add_member,
    accounts.modify_member,
    accounts.delete_member,
    accounts.list_qos,
    accounts.add_qos,
    accounts.modify_qos,
    accounts.delete_qos,
    limits.list_limits,
    limits.set_limit,
    limits.clear_limit,
    reservations.list_reservations,
    reservations.add_reservation,
    reservations.delete_reservation,
    reservations.list_drains,
    reservations.drain,
    reservations.resume,
    document.show_document,
    telemetry.healthz,
    telemetry.readyz,
    telemetry.metrics,
    tokens.show_me,
    tokens.create_token,
    tokens.list_tokens,
    tokens.revoke_token,
    messages.list_messages,
    messages.show_key,
    audit.list_audit,
)


def make_app(desk: Desk) -> Litestar:
    """Return the API over `desk`."""

    def provide_desk(request: Request[Any, Any, Any]) -> Desk:
        return desk_of(request.scope, desk)

    def refuse(_: Request[Any, Any, Any], error: GpuqError) -> Response[dict[str, Any]]:
        return _problem(status_of(error), in_words(desk, str(error)))

    return Litestar(
        route_handlers=_ROUTES,
        dependencies={
            "desk": Provide(provide_desk, sync_to_thread=False),
            "which": Provide(series.which, sync_to_thread=False),
        },
        exception_handlers={GpuqError: refuse, HTTPException: _reject, Exception: _crash},
        openapi_config=OpenAPIConfig(
            title="gpuq", version=__version__, path="/v1/schema", render_plugins=[], use_handler_docstrings=True
        ),
        request_max_body_size=_LARGEST_BODY,
        logging_config=None,
    )


def _reject(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    if isinstance(error, ValidationException):
        return _problem(400, _what_is_wrong(error))
    if error.status_code == 413:
        return _problem(413, f"The request is larger than {_LARGEST_BODY // 1048576} MiB: a script must be smaller.")
    if error.status_code in (404, 405):
        asked = fit(clean(f"{request.method} {request.url.path}"), _LONGEST_ASKED)
        return _problem(
            error.status_code, f"gpuqd {__version__} has no {asked}; GET /v1/openapi.json lists all it has."
        )
    return _problem(error.status_code, error.detail)


def _crash(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    if isinstance(error, RecursionError):
        return _problem(400, "The request's JSON is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return _problem(400, "The request's body is not UTF-8.")
    logger.error("a request failed", exc_info=error)
    return _problem(500, OWN_ERROR)


def _what_is_wrong(error: ValidationException) -> str:
    match error.extra:
        case [{"key": "data", "message": "'data'" | "data"}, *_]:
            return "The request needs a body: a JSON object."
        case [{"key": "data", "message": str(message)}, *_]:
            return f"{message}."
        case [{"message": str(message), "key": str(key)}, *_]:
            return f"{key}: {message}."
        case [{"message": str(message)}, *_]:
            return f"{message}."
        case _:
            return error.detail


def _problem(status: int, detail: str) -> Response[dict[str, Any]]:
    return Response(problem(status, detail), status_code=status, media_type="application/problem+json")
