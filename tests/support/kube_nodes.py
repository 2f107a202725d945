"""What stands in for the nodes of a Kubernetes cluster: scheduler, kubelets and the collector of owned objects.

Nodes are objects with GPUs that do not exist; the pods that are put on them run as processes of this machine, at
addresses of loopback of their own. Pods that fit nowhere wait, with Kubernetes' own words for it.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gpuq_daemon.kubernetes.api import Api, ApiError
from tests.support.kube_pod import Container
from tests.support.kube_server import KubeServer, create
from tests.support.tls import a_free_port, make_certificate

Json = Any
GPU = "nvidia.com/gpu"
_POLL_S = 0.05
_UNITS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(slots=True)
class _Seat:
    """A pod that has been given a node."""

    container: Container
    node: str
    is_told: bool = False
    kill_at: float | None = None
    reason: str | None = None
    ended: bool = False


@dataclass(slots=True)
class Nodes:
    """The cluster's nodes; `names` have `gpus` each. It looks at all pods many times a second."""

    server: KubeServer
    folder: Path
    names: tuple[str, ...]
    gpus: int
    claims: Mapping[str, Path] = field(default_factory=dict[str, Path])
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    seats: dict[str, _Seat] = field(default_factory=dict[str, _Seat])
    waits_for_image: set[str] = field(default_factory=set[str])
    _port: int = field(default_factory=a_free_port)
    _addresses: Any = field(default_factory=lambda: itertools.count(1))
    _stop: threading.Event = field(default_factory=threading.Event)

    def register(self) -> None:
        """Make the nodes known."""
        for name in self.names:
            create(self.server.api(), self._node(name))

    def run(self) -> None:
        """Look until told to stop; an API that is away for a while is looked for again."""
        while not self._stop.wait(_POLL_S):
            with suppress(ApiError):
                self.look(self.server.api())

    def stop(self) -> None:
        """Stop looking, and kill all containers."""
        self._stop.set()
        for seat in self.seats.values():
            seat.container.kill()

    def fail(self, pod_name: str, reason: str) -> None:
        """Kill a pod's container as its node would, for this reason."""
        for seat in self.seats.values():
            if seat.container.pod["metadata"]["name"] == pod_name:
                seat.reason = reason
                seat.container.signal(signal.SIGKILL)

    def look(self, api: Api) -> None:
        """Bring every pod one step on."""
        pods: list[Json] = api.json("GET", "/api/v1/pods")["items"]
        living = {pod["metadata"]["uid"] for pod in pods}
        for pod in pods:
            owners = pod["metadata"].get("ownerReferences", [])
            if any(owner["kind"] == "Pod" and owner["uid"] not in living for owner in owners):
                _delete(api, pod, grace_s=None)
            if pod["metadata"].get("deletionTimestamp"):
                self._end(api, pod)
            elif not pod["spec"].get("nodeName"):
                self._schedule(api, pod, pods)
            elif pod["spec"]["nodeName"] in self.names:
                self._follow(api, pod)

    def log_of(self, name: str) -> bytes | None:
        """Return a pod's log with its times, None if it has none yet."""
        for seat in self.seats.values():
            if seat.container.pod["metadata"]["name"] == name:
                return seat.container.log.read_bytes() if seat.container.log.exists() else b""
        return None

    def is_running(self, name: str) -> bool:
        """Whether a pod's container runs."""
        return any(
            not seat.ended and seat.container.pod["metadata"]["name"] == name for seat in list(self.seats.values())
        )

    @property
    def port(self) -> int:
        """Where the kubelet tells of logs."""
        return self._port

    def _node(self, name: str) -> Json:
        has = {"cpu": "64", "memory": "256Gi", "pods": "110", GPU: str(self.gpus)}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **self.labels.get(name, {})}},
            "status": {
                "capacity": has,
                "allocatable": has,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            },
        }

    def _schedule(self, api: Api, pod: Json, pods: list[Json]) -> None:
        wanted = _requests(pod)
        allowed = [name for name in self.names if _may_be_on(pod, name)]
        short: dict[str, int] = {}
        for name in sorted(allowed, key=lambda name: sum(1 for one in pods if one["spec"].get("nodeName") == name)):
            used: dict[str, float] = {}
            for other in pods:
                if other["spec"].get("nodeName") == name and other["status"]["phase"] not in ("Succeeded", "Failed"):
                    for resource, count in _requests(other).items():
                        used[resource] = used.get(resource, 0) + count
            has = self._node(name)["status"]["allocatable"]
            lacking = [r for r, count in wanted.items() if count > _number(has.get(r, "0")) - used.get(r, 0)]
            if not lacking:
                pod["spec"]["nodeName"] = name
                path = _path(pod)
                target = {"apiVersion": "v1", "kind": "Node", "name": name}
                binding = {"apiVersion": "v1", "kind": "Binding", "target": target, **_meta(pod)}
                api.ask("POST", f"{path}/binding", binding)
                return
            for resource in lacking:
                short[resource] = short.get(resource, 0) + 1
        elsewhere = len(self.names) - len(allowed)
        parts = [f"{count} Insufficient {resource}" for resource, count in short.items()]
        parts += [f"{elsewhere} node(s) didn't match Pod's node affinity/selector"] if elsewhere else []
        words = f"0/{len(self.names)} nodes are available: {', '.join(parts)}."
        _patch(api, pod, {"conditions": [_condition("PodScheduled", False, "Unschedulable", words)]}, words)

    def _follow(self, api: Api, pod: Json) -> None:
        uid, name = pod["metadata"]["uid"], pod["spec"]["containers"][0]["name"]
        seat = self.seats.get(uid)
        if seat is None:
            if pod["status"]["phase"] != "Pending":
                return
            if pod["spec"]["containers"][0]["image"] in self.waits_for_image:
                words = f'Back-off pulling image "{pod["spec"]["containers"][0]["image"]}"'
                waiting = {"waiting": {"reason": "ImagePullBackOff", "message": words}}
                _patch(api, pod, {"containerStatuses": [_status(pod, name, waiting)]}, words)
                return
            seat = self.seats[uid] = self._start(api, pod)
        code = seat.container.code()
        if code is None and not seat.is_told:
            seat.is_told = True
            running = {"running": {"startedAt": _now()}}
            _patch(
                api,
                pod,
                {
                    "phase": "Running",
                    "podIP": seat.container.address,
                    "podIPs": [{"ip": seat.container.address}],
                    "hostIP": "127.0.0.1",
                    "startTime": _now(),
                    "conditions": [_condition("PodScheduled", True), _condition("Ready", True)],
                    "containerStatuses": [_status(pod, name, running)],
                },
            )
        elif code is not None and not seat.ended:
            seat.ended = True
            _patch(api, pod, self._ending(pod, seat, code))

    def _ending(self, pod: Json, seat: _Seat, code: int) -> Json:
        name = pod["spec"]["containers"][0]["name"]
        of_pod = {"reason": seat.reason} if seat.reason not in (None, "OOMKilled") else {}
        word = "Completed" if code == 0 else "OOMKilled" if seat.reason == "OOMKilled" else "Error"
        ended = {"terminated": {"exitCode": code, "reason": word, "finishedAt": _now()}}
        return {
            **of_pod,
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [_status(pod, name, ended)],
        }

    def _start(self, api: Api, pod: Json) -> _Seat:
        node = pod["spec"]["nodeName"]
        taken = {gpu for seat in self.seats.values() if not seat.ended for gpu in seat.container.gpus}
        free = [gpu for gpu in (f"GPU-{node}-{number}" for number in range(self.gpus)) if gpu not in taken]
        number = next(self._addresses)
        namespace = pod["metadata"]["namespace"]

        def objects(kind: str, name: str) -> Json:
            if kind == "token":
                path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
                return api.json("POST", path, {"spec": {"expirationSeconds": 7200}})["status"]["token"]
            return api.json("GET", f"/api/v1/namespaces/{namespace}/{kind}/{name}")

        container = Container(
            pod,
            self.folder / pod["metadata"]["uid"],
            f"127.0.{1 + number // 250}.{1 + number % 250}",
            free[: int(_requests(pod).get(GPU, 0))],
            objects=objects,
            claims=self.claims,
            server=self.server.url,
        )
        return _Seat(container=container, node=node)

    def _end(self, api: Api, pod: Json) -> None:
        """End a pod that is to go, and let go of it once nothing of it runs."""
        seat = self.seats.get(pod["metadata"]["uid"])
        if seat is not None and seat.container.code() is None:
            if seat.kill_at is None:
                seat.kill_at = time.monotonic() + pod["metadata"].get("deletionGracePeriodSeconds", 30)
                seat.container.signal(signal.SIGTERM)
            elif time.monotonic() >= seat.kill_at:
                seat.container.signal(signal.SIGKILL)
            return
        if seat is not None:
            seat.ended = True
            shutil.rmtree(self.folder / pod["metadata"]["uid"], ignore_errors=True)
        _delete(api, pod, grace_s=0)


@contextmanager
def some_nodes(server: KubeServer, folder: Path, *names: str, gpus: int = 1, **more: Any) -> Generator[Nodes]:
    """Give nodes that run what is put on them, until the end."""
    nodes = Nodes(server=server, folder=folder / "pods", names=names, gpus=gpus, **more)
    nodes.register()
    kubelet = _serve_logs(nodes, folder)
    looking = threading.Thread(target=nodes.run)
    looking.start()
    try:
        yield nodes
    finally:
        nodes.stop()
        looking.join()
        kubelet()


def _serve_logs(nodes: Nodes, folder: Path) -> Callable[[], None]:
    """Serve what a kubelet does of logs: /containerLogs/NAMESPACE/POD/CONTAINER."""

    class Kubelet(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            name, query = url.path.split("/")[3], parse_qs(url.query)
            is_followed, has_times = "follow" in query, "timestamps" in query
            since = query.get("sinceTime", [""])[0]
            if nodes.log_of(name) is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            sent = 0
            while True:
                goes_on = is_followed and nodes.is_running(name)
                lines = (nodes.log_of(name) or b"").splitlines(keepends=True)
                for line in lines[sent:]:
                    if line.decode(errors="replace")[:19] >= since[:19]:
                        self.wfile.write(line if has_times else line.partition(b" ")[2])
                sent = len(lines)
                if not goes_on:
                    return
                time.sleep(_POLL_S)

        def log_message(self, format: str, *args: object) -> None:
            pass

    make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    listener = ThreadingHTTPServer(("127.0.0.1", nodes.port), Kubelet)
    listener.daemon_threads = True
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()

    def stop() -> None:
        listener.shutdown()
        thread.join()
        listener.server_close()

    return stop


def a_pod(name: str, *command: str, gpus: int = 0, labels: Mapping[str, str] | None = None) -> Json:
    """Return the manifest of somebody's pod that runs a command."""
    resources = {"limits": {GPU: str(gpus)}} if gpus else {}
    container = {"name": "main", "image": "busybox", "command": list(command), "resources": resources}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": dict(labels or {})},
        "spec": {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 1},
    }


def _requests(pod: Json) -> dict[str, float]:
    found: dict[str, float] = {}
    for container in pod["spec"]["containers"]:
        for resource, quantity in container.get("resources", {}).get("requests", {}).items():
            found[resource] = found.get(resource, 0.0) + _number(quantity)
    return found


def _number(quantity: str) -> float:
    for unit in ("Ki", "Mi", "Gi", "m", "k", "M", "G"):
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * _UNITS[unit]
    return float(quantity)


def _may_be_on(pod: Json, name: str) -> bool:
    """Whether a pod's affinity to nodes by their names lets it be there."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", ())
    return not terms or any(name in field["values"] for term in terms for field in term.get("matchFields", ()))


def _meta(pod: Json) -> Json:
    return {"metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}}


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _delete(api: Api, pod: Json, *, grace_s: int | None) -> None:
    grace = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
    with suppress(ApiError):
        api.ask("DELETE", _path(pod), {"preconditions": {"uid": pod["metadata"]["uid"]}, **grace})


def _patch(api: Api, pod: Json, status: Json, words: str | None = None) -> None:
    """Change a pod's status, unless it says so already."""
    if words is not None and words in json.dumps(pod["status"]).replace('\\"', '"'):
        return
    with suppress(ApiError):
        api.ask("PATCH", f"{_path(pod)}/status", {"status": status})


def _status(pod: Json, name: str, state: Json) -> Json:
    container = pod["spec"]["containers"][0]
    identity = f"process://{pod['metadata']['uid']}"
    is_running = "running" in state
    return {
        "name": name,
        "image": container["image"],
        "imageID": "",
        "containerID": identity,
        "ready": is_running,
        "started": is_running,
        "restartCount": 0,
        "state": state,
    }


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Json:
    status = "True" if holds else "False"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": _now()}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
