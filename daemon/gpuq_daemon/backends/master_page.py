"""What a Spark Standalone master says of its workers and applications on its page /json, and a worker of its executors.

Source: Spark's JsonProtocol.writeMasterState, writeWorkerInfo, writeWorkerState.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpuq_daemon.backends.web import get_json


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    """A worker as its master knows it; `resources` and `used` are addresses by resource, `page` is its own page."""

    host: str
    port: int
    page: str
    is_alive: bool
    resources: Mapping[str, tuple[str, ...]]
    used: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterPage:
    """The workers, and the applications not ended (id to name). A master that is not active has neither.

    `waiting` are names of those that have no executor yet.
    """

    is_active: bool
    lines: tuple[WorkerLine, ...]
    applications: Mapping[str, str]
    waiting: tuple[str, ...] = ()

    @property
    def workers(self) -> int:
        """How many workers are alive."""
        return sum(line.is_alive for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningExecutor:
    """An executor whose process a worker has not seen end: its application's id and name, and its GPUs."""

    application_id: str
    application: str
    gpus: tuple[str, ...]


def fetch(host: str, ui_port: int) -> MasterPage | None:
    """Return the page of a master on this machine, or None if it does not answer as a master does."""
    return fetch_from(f"http://{host}:{ui_port}")


def fetch_from(page: str) -> MasterPage | None:
    """Return what a master says of itself, or None if it does not answer as a master does."""
    try:
        return parsed(get_json(f"{page}/json/"))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def parsed(page: dict[str, Any]) -> MasterPage:
    """Return the parts of the page's JSON that gpuq looks at."""
    return MasterPage(
        is_active=page.get("status", "ALIVE") == "ALIVE",
        lines=tuple(_line(worker) for worker in page["workers"]),
        applications={app["id"]: app["name"] for app in page["activeapps"]},
        waiting=tuple(app["name"] for app in page["activeapps"] if app.get("state") == "WAITING"),
    )


def executors_of(page: str) -> tuple[RunningExecutor, ...] | None:
    """Return the executors that run on a worker, as its own page says, or None if it does not answer."""
    try:
        return tuple(
            RunningExecutor(
                application_id=one["appid"],
                application=one["appdesc"]["name"],
                gpus=_addresses(one.get("resources", {})).get("gpu", ()),
            )
            for one in get_json(f"{page}/json/")["executors"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _line(worker: dict[str, Any]) -> WorkerLine:
    return WorkerLine(
        host=worker["host"],
        port=int(worker.get("port", 0)),
        page=worker.get("webuiaddress", ""),
        is_alive=worker["state"] == "ALIVE",
        resources=_addresses(worker.get("resources", {})),
        used=_addresses(worker.get("resourcesused", {})),
    )


def _addresses(resources: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(map(str, has["addresses"])) for name, has in resources.items()}
