"""Pods and nodes of a Kubernetes API as values: what gpuq reads of them, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from gpuq_daemon.kubernetes.api import NOT_FOUND, Api, ApiError

_CHUNK = 500
_T = TypeVar("_T")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_QUANTITY = re.compile(r"([0-9]+)([kMG]i?|Ki)?")


class _Object(Struct, frozen=True, rename="camel"):
    """JSON as Kubernetes writes it; what is not named here is passed over."""


class Owner(_Object, frozen=True):
    """What an object belongs to, and goes with."""

    uid: str
    kind: str = ""
    name: str = ""


class Metadata(_Object, frozen=True):
    """Who an object is: `uid` is never given twice, a name is."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    owner_references: tuple[Owner, ...] = ()
    resource_version: str = ""
    continue_: str = field(default="", name="continue")
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None

    def label(self, name: str) -> str | None:
        """Return a label's value."""
        return None if self.labels is None else self.labels.get(name)


class Resources(_Object, frozen=True):
    """What a container asks for."""

    requests: dict[str, str | int] | None = None


class Container(_Object, frozen=True):
    """One container of a pod."""

    name: str = ""
    image: str = ""
    resources: Resources = Resources()


class Spec(_Object, frozen=True):
    """What a pod is to be."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()


class Waiting(_Object, frozen=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class Terminated(_Object, frozen=True):
    """How a container ended."""

    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""


class Running(_Object, frozen=True):
    """Since when a container runs."""

    started_at: str | None = None


class ContainerState(_Object, frozen=True):
    """One of the three, or none."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Object, frozen=True):
    """How a container stands."""

    name: str = ""
    container_id: str = field(default="", name="containerID")
    state: ContainerState = ContainerState()


class Condition(_Object, frozen=True):
    """Something that is so, is not so, or is not known."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class Status(_Object, frozen=True):
    """How a pod stands."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    pod_ip: str = field(default="", name="podIP")


class Pod(_Object, frozen=True):
    """A pod as the API tells of it."""

    metadata: Metadata
    spec: Spec = Spec()
    status: Status = Status()

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs any more, and it holds no resources."""
        return self.status.phase in ("Succeeded", "Failed")

    def requests(self, resource: str) -> int:
        """Return how much of a whole resource (GPUs) it has reserved.

        Source: Kubernetes, "Init Containers": the largest of the init containers, or the sum of the others.
        """
        return max(
            sum(_asked(container, resource) for container in self.spec.containers),
            *(_asked(container, resource) for container in self.spec.init_containers),
            0,
        )


class PodList(_Object, frozen=True):
    """A chunk of a list of pods; `metadata.continue_` leads to the next."""

    metadata: Metadata
    items: tuple[Pod, ...] | None = None


class Taint(_Object, frozen=True):
    """What keeps pods off a node."""

    key: str = ""
    effect: str = ""


class NodeSpec(_Object, frozen=True):
    """What an operator has decided about a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(_Object, frozen=True):
    """What a node has."""

    allocatable: dict[str, str | int] | None = None
    conditions: tuple[Condition, ...] = ()


class ClusterNode(_Object, frozen=True):
    """A node as the API tells of it."""

    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def is_up(self) -> bool:
        """Whether pods may be put on it now."""
        is_ready = any(one.type == "Ready" and one.status == "True" for one in self.status.conditions)
        return is_ready and not self.spec.unschedulable

    def allocatable(self, resource: str) -> int:
        """Return how much of a whole resource (GPUs) it has for pods."""
        return amount((self.status.allocatable or {}).get(resource, 0))


class NodeList(_Object, frozen=True):
    """A chunk of a list of nodes."""

    metadata: Metadata
    items: tuple[ClusterNode, ...] | None = None


_POD = msgspec.json.Decoder(Pod)
_PODS = msgspec.json.Decoder(PodList)
_NODES = msgspec.json.Decoder(NodeList)


def pods(api: Api, namespace: str | None, **query: str) -> Iterator[Pod]:
    """Return the pods of a namespace, None for all of them, as they are now; in chunks.

    Raises:
        ApiError: the API does not tell.
    """
    for chunk in _chunks(api, namespace, query):
        yield from chunk.items or ()


def listing(api: Api, namespace: str, keep: Callable[[Pod], bool]) -> tuple[tuple[Pod, ...], str]:
    """Return the pods of a namespace that are to be kept, and the version at which a watch goes on from there.

    Raises:
        ApiError: the API does not tell.
    """
    kept: list[Pod] = []
    version = ""
    for chunk in _chunks(api, namespace, {}):
        version = chunk.metadata.resource_version  # the same of all chunks
        kept += [pod for pod in chunk.items or () if keep(pod)]
    return tuple(kept), version


def _chunks(api: Api, namespace: str | None, query: Mapping[str, str]) -> Iterator[PodList]:
    path = "/api/v1/pods" if namespace is None else f"/api/v1/namespaces/{namespace}/pods"
    onward = ""
    while True:
        more = {"continue": onward} if onward else {}
        chunk = _decoded(_PODS, api.ask("GET", path, limit=_CHUNK, **query, **more))
        yield chunk
        onward = chunk.metadata.continue_
        if not onward:
            return


def one_pod(api: Api, namespace: str, name: str) -> Pod | None:
    """Return the pod that has a name now, None if none has.

    Raises:
        ApiError: the API does not tell.
    """
    try:
        return _decoded(_POD, api.ask("GET", f"/api/v1/namespaces/{namespace}/pods/{name}"))
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise


def nodes(api: Api, selector: str | None = None) -> tuple[ClusterNode, ...]:
    """Return the cluster's nodes, of those with the labels of a selector if one is given.

    Raises:
        ApiError: the API does not tell.
    """
    query = {"labelSelector": selector} if selector else {}
    return _decoded(_NODES, api.ask("GET", "/api/v1/nodes", **query)).items or ()


def amount(quantity: str | int) -> int:
    """Return a whole quantity; one that is none counts as nothing.

    Source: Kubernetes, "Quantity": extended resources are whole numbers.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    return int(found[1]) * _UNITS[found[2] or ""] if found else 0


def _asked(container: Container, resource: str) -> int:
    return amount((container.resources.requests or {}).get(resource, 0))


def _decoded(decoder: msgspec.json.Decoder[_T], text: bytes) -> _T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError as error:
        raise ApiError(f"The Kubernetes API answers something else than Kubernetes' own: {error}.") from error
