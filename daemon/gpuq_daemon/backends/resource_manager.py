"""What YARN's servers say over REST, and the one thing that is asked of them: to end an application.

Source: Hadoop, "ResourceManager REST API's", "NodeManager REST API's".
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from gpuq_daemon.backends.web import OPENER, TIMEOUT_S, asks_for_kerberos, get_json

FINAL = ("FINISHED", "FAILED", "KILLED")
GPU = "yarn.io/gpu"
_INFO = "/ws/v1/cluster/info"
_STRANGE = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class YarnNode:
    """A NodeManager; `node_id` is "host:port", `gpus` None where the ResourceManager knows of no GPUs."""

    node_id: str
    host: str
    state: str
    page: str
    labels: frozenset[str]
    gpus: int | None

    @property
    def is_up(self) -> bool:
        """Whether containers can run there."""
        return self.state == "RUNNING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application: its state, and what YARN says of how it ended or why it waits."""

    application_id: str
    state: str
    diagnostics: str

    @property
    def is_final(self) -> bool:
        """Whether it has ended, by YARN's books."""
        return self.state in FINAL


class ResourceManager:
    """The active one of the ResourceManagers whose web addresses are given. None for an answer: nobody answers."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses

    def is_active(self) -> bool:
        """Whether one answers and is at work."""
        return self._active() is not None

    def behind_kerberos(self) -> str | None:
        """Return the address of one that lets in nobody without a ticket, None if there is none."""
        return next((one for one in self._addresses if asks_for_kerberos(f"{one}{_INFO}")), None)

    def nodes(self) -> tuple[YarnNode, ...] | None:
        """Return all nodes, lost ones too."""
        try:
            return tuple(_node(one) for one in _listed(self._get("/ws/v1/cluster/nodes"), "nodes", "node"))
        except _STRANGE:
            return None

    def tagged(self, tag: str) -> tuple[Application, ...] | None:
        """Return the applications with a tag, ended ones too."""
        found = self._get(f"/ws/v1/cluster/apps?applicationTags={quote(tag)}")
        try:
            return tuple(_application(one) for one in _listed(found, "apps", "app"))
        except _STRANGE:
            return None

    def containers(self, application_id: str) -> dict[str, str] | None:
        """Return the live containers of an application with the NodeManager of each: "host:port".

        One that runs has its master's at least: without any, nobody can say.
        """
        path = f"/ws/v1/cluster/apps/{quote(application_id)}/appattempts"
        try:
            attempts = [one["appAttemptId"] for one in _listed(self._get(path), "appAttempts", "appAttempt")]
            answers = [self._get(f"{path}/{quote(attempt)}/containers") for attempt in attempts]
            # Hadoop 3.5 leaves out the table's name here, though not elsewhere.
            listed = [one for told in answers for one in (told.get("containers") or told).get("container", [])]
            return {one["containerId"]: one["assignedNodeId"] for one in listed} or None
        except _STRANGE:
            return None

    def queue_state(self, queue: str) -> str | None:
        """Return the state of a leaf queue, "" if there is none of that name, None if nobody says."""
        found = self._get("/ws/v1/cluster/scheduler")
        try:
            return None if found is None else _state_of(found["scheduler"]["schedulerInfo"], queue)
        except (KeyError, TypeError, AttributeError):
            return None

    def kill(self, application_id: str, user: str) -> bool:
        """Ask for an application's end; return whether that was heard and not refused."""
        active = self._active()
        if active is None:
            return False
        asked = urllib.request.Request(
            f"{active}/ws/v1/cluster/apps/{quote(application_id)}/state?user.name={quote(user)}",
            data=json.dumps({"state": "KILLED"}).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            method="PUT",
        )
        try:
            with OPENER.open(asked, timeout=TIMEOUT_S) as answer:
                return answer.status < 300
        except (OSError, HTTPException, urllib.error.URLError):
            return False

    def _get(self, path: str) -> Any:
        active = self._active()
        return None if active is None else get_json(active + path)

    def _active(self) -> str | None:
        for address in self._addresses:
            if _is_active(get_json(f"{address}{_INFO}")):
                return address
        return None


def containers_of(node: YarnNode, application_id: str) -> int | None:
    """Return how many containers of an application a node has that have not ended, None if it does not answer."""
    number = application_id.removeprefix("application_")
    try:
        running = _listed(get_json(f"{node.page}/ws/v1/node/containers"), "containers", "container")
    except _STRANGE:
        return None
    return sum(f"_{number}_" in str(one.get("id")) and one.get("state") not in ("COMPLETE", "DONE") for one in running)


def _listed(answer: Any, table: str, rows: str) -> list[dict[str, Any]]:
    """Return the rows of an answer like {"nodes": {"node": [...]}}; null is an empty table."""
    listed: Any = answer[table]
    found: list[dict[str, Any]] = [] if listed is None else listed.get(rows, [])
    return found


def _is_active(told: Any) -> bool:
    try:
        info: dict[str, Any] = told["clusterInfo"]
    except (KeyError, TypeError):
        return False
    return info.get("state") == "STARTED" and info.get("haState", "ACTIVE") == "ACTIVE"


def _node(one: dict[str, Any]) -> YarnNode:
    page: str = one.get("nodeHTTPAddress") or ""
    total: dict[str, Any] = one.get("totalResource") or {}
    known = _listed(total, "resourceInformations", "resourceInformation") if total else []
    gpus = [int(resource["value"]) for resource in known if resource["name"] == GPU]
    return YarnNode(
        node_id=one["id"],
        host=one["nodeHostName"],
        state=one["state"],
        page=f"http://{page}" if page else "",
        labels=frozenset(one.get("nodeLabels") or ()),
        gpus=gpus[0] if gpus else None,
    )


def _application(one: dict[str, Any]) -> Application:
    return Application(application_id=one["id"], state=one["state"], diagnostics=one.get("diagnostics") or "")


def _state_of(queue: dict[str, Any], wanted: str) -> str:
    """Return the state of a queue by its name or its whole path, below and at a queue of the scheduler's answer."""
    waiting = [queue]
    while waiting:
        one = waiting.pop()
        if wanted in (one.get("queueName"), one.get("queuePath")):
            state: str = one.get("state") or "RUNNING"
            return state
        waiting += _below(one)
    return ""


def _below(queue: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the queues in a queue, as the capacity scheduler lists them and as the fair scheduler does."""
    root: dict[str, Any] | None = queue.get("rootQueue")
    capacity: dict[str, list[dict[str, Any]]] = queue.get("queues") or {}
    fair: dict[str, list[dict[str, Any]]] = queue.get("childQueues") or {}
    return [*([root] if root else []), *(capacity.get("queue") or []), *(fair.get("queue") or [])]
