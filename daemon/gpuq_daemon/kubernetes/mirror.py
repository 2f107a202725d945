"""The pods of jobs as they were last told of, and what changes in them. Pure.

Events of a watch may come twice, late, out of order or not at all: each version of a pod counts once, an older one
never undoes a newer, what is gone does not come back, and a whole list puts right what was missed. So the end is the
same as from a clean list.

Source: Kubernetes, "API Concepts": resource versions of one kind of object are ordered (KEP-5504).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from gpuq_daemon.kubernetes.fate import end_of, waits_for
from gpuq_daemon.kubernetes.objects import Pod

_REMEMBERED = 10_000


class Change(StrEnum):
    """What happened to a pod."""

    SEEN = "seen"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSight:
    """What is kept of a pod. `waits_for` is why it does not run yet; `exit_code` and `reason` are how it ended."""

    uid: str
    namespace: str
    name: str
    node: str | None
    phase: str
    labels: tuple[tuple[str, str], ...]
    owners: tuple[str, ...]
    container_id: str | None
    waits_for: str | None
    exit_code: int | None
    reason: str | None

    def label(self, name: str) -> str | None:
        """Return a label's value."""
        return dict(self.labels).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEvent:
    """A change of one pod; of one that is gone `pod` is its last sight."""

    change: Change
    pod: PodSight


def sight(pod: Pod) -> PodSight:
    """Return what is kept of a pod."""
    end = end_of(pod)
    statuses = pod.status.container_statuses
    return PodSight(
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        node=pod.spec.node_name or None,
        phase=pod.status.phase,
        labels=tuple(sorted((pod.metadata.labels or {}).items())),
        owners=tuple(owner.uid for owner in pod.metadata.owner_references),
        container_id=(statuses[0].container_id or None) if statuses else None,
        waits_for=waits_for(pod),
        exit_code=None if end is None else end.exit_code,
        reason=None if end is None else end.reason,
    )


class Mirror:
    """The pods of one namespace that are of jobs, as `is_ours` says, or belong to one which is. No others."""

    def __init__(self, is_ours: Callable[[Pod], bool]) -> None:
        self._is_ours = is_ours
        self._known: dict[str, tuple[int, PodSight]] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._listed_at = 0

    @property
    def pods(self) -> tuple[PodSight, ...]:
        """Return the pods that there are, as far as is known."""
        return tuple(seen for _, seen in self._known.values())

    def concerns(self, pod: Pod) -> bool:
        """Whether a pod of a list has to be looked at: it is known, or it may be one of ours."""
        is_owned = any(owner.kind == "Pod" for owner in pod.metadata.owner_references)
        return pod.metadata.uid in self._known or is_owned or self._is_ours(pod)

    def listed(self, pods: Iterable[Pod], version: str) -> list[PodEvent]:
        """Take in all pods as they were at a version; return what is otherwise by now, what is gone included."""
        events: list[PodEvent] = []
        there: set[str] = set()
        for pod in _owners_first(pods):
            there.add(pod.metadata.uid)
            events += self._take_in(pod)
        for uid in [uid for uid in self._known if uid not in there]:
            events += self._lose(uid)
        self._listed_at = max(self._listed_at, _number(version))
        return events

    def told(self, kind: str, pod: Pod) -> list[PodEvent]:
        """Take in one event of a watch: ADDED, MODIFIED or DELETED."""
        if _number(pod.metadata.resource_version) <= self._listed_at and pod.metadata.uid not in self._known:
            return []  # older than the list, which does not have it: it is gone
        if kind != "DELETED":
            return self._take_in(pod)
        events = self._take_in(pod)
        return [*events, *self._lose(pod.metadata.uid)]

    def _take_in(self, pod: Pod) -> list[PodEvent]:
        uid, version = pod.metadata.uid, _number(pod.metadata.resource_version)
        before = self._known.get(uid)
        if uid in self._gone or (before is None and not self._belongs(pod)):
            return []
        if before is not None and version <= before[0]:
            return []
        now = sight(pod)
        self._known[uid] = version, now
        if before is None:
            return [PodEvent(change=Change.SEEN, pod=now)]
        return [] if before[1] == now else [PodEvent(change=Change.CHANGED, pod=now)]

    def _belongs(self, pod: Pod) -> bool:
        return self._is_ours(pod) or any(owner.uid in self._known for owner in pod.metadata.owner_references)

    def _lose(self, uid: str) -> list[PodEvent]:
        lost = self._known.pop(uid, None)
        if lost is None:
            return []
        self._gone[uid] = None
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)
        return [PodEvent(change=Change.GONE, pod=lost[1])]


def _owners_first(pods: Iterable[Pod]) -> list[Pod]:
    """Return pods so that those which belong to others come after these."""
    return sorted(pods, key=lambda pod: len(pod.metadata.owner_references))


def _number(version: str) -> int:
    """Return a resource version as what it is ordered by; an impossible one comes before all."""
    return int(version) if version.isdecimal() else 0
