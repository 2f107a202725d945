"""What people have in hand when they ask whose it is, read by its shape alone. Pure.

A text may be several things: a bare name a pod's, a node's or a job's, say. All that it may be is returned, the surest
first; looking it up tells which it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_POD_NAME = r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?"
_EXECUTOR = r"\d{1,9}|driver"
_YARN = re.compile(r"container_(?:e\d+_)?(\d+_\d+)_\d+_\d+")
_APPLICATION = re.compile(r"app-\d{14}-\d{1,9}|application_\d{1,20}_\d{1,9}|spark-[0-9a-f]{32}|local-\d{1,20}")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CONTAINER = re.compile(r"(?:[a-z-]{1,20}://)?[0-9a-f]{12,64}")  # `docker ps` and `crictl ps` show the beginning
_TASKS = re.compile(r"(\d{1,18})_\[[\d,%-]{1,200}\]", re.ASCII)
_GPU_OF_ITS_OWN = re.compile(r"(?:GPU|MIG)-[0-9a-fA-F-]{8,80}|virtual\d{1,9}", re.ASCII)
_WORD = re.compile(r"[^\s/:]{1,200}")


class Kind(StrEnum):
    """What a handle names."""

    JOB = "job"
    ARRAY = "array"
    JOB_NAME = "job name"
    NODE = "node"
    APPLICATION = "application"
    EXECUTOR = "executor"
    PROCESS = "process"
    GPU = "GPU"
    POD = "pod"
    CONTAINER = "container"
    YARN_CONTAINER = "YARN container"
    PATH = "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """One reading of a text. `place` is the host, the namespace or the application that `name` is in, if it is told."""

    kind: Kind
    name: str
    place: str | None = None


def readings(text: str) -> list[Handle]:
    """Return what `text` may name, the surest first; nothing where it has no shape that is known."""
    text = text.strip()
    if re.fullmatch(r"\d{1,18}(?:_\d{1,9})?", text, re.ASCII):
        return [Handle(kind=Kind.JOB, name=text)]
    if (tasks := _TASKS.fullmatch(text)) is not None:
        return [Handle(kind=Kind.ARRAY, name=tasks[1])]
    if "://" in text or text.startswith("/"):
        return [*_containers(text), Handle(kind=Kind.PATH, name=text)]
    for read in (_gpus, _applications, _processes, _uids):
        found = read(text)
        if found:
            return found
    return [*_containers(text), *_pods(text), *_names(text)]


def job_in_path(text: str, roots: tuple[str, ...]) -> tuple[int, int | None] | None:
    """Return the job, and the attempt if there is one, whose folder below one of `roots` a path or an address is in."""
    for root in roots:
        rest = text.removeprefix(root.rstrip("/"))
        if rest != text:
            parts = re.match(r"/(\d{1,18})(?:/(\d{1,9}))?(?:/|$)", rest, re.ASCII)
            if parts is not None:
                return int(parts[1]), None if parts[2] is None else int(parts[2])
    return None


def _gpus(text: str) -> list[Handle]:
    if _GPU_OF_ITS_OWN.fullmatch(text):
        return [Handle(kind=Kind.GPU, name=text)]
    named = re.fullmatch(r"gpu:([^/\s]{1,253})/([^/\s]{1,80})", text, re.IGNORECASE)
    return [] if named is None else [Handle(kind=Kind.GPU, name=named[2], place=named[1])]


def _applications(text: str) -> list[Handle]:
    application, slash, executor = text.partition("/")
    if _APPLICATION.fullmatch(application):
        if slash and re.fullmatch(_EXECUTOR, executor, re.ASCII):
            return [Handle(kind=Kind.EXECUTOR, name=executor, place=application)]
        return [] if slash else [Handle(kind=Kind.APPLICATION, name=application)]
    yarn = _YARN.fullmatch(text)  # its application's number is in it
    return [] if yarn is None else [Handle(kind=Kind.YARN_CONTAINER, name=text, place=f"application_{yarn[1]}")]


def _containers(text: str) -> list[Handle]:
    return [Handle(kind=Kind.CONTAINER, name=text.rpartition("/")[2])] if _CONTAINER.fullmatch(text) else []


def _processes(text: str) -> list[Handle]:
    named = re.fullmatch(r"([^\s/:]{1,253}|\[[0-9a-f:.]{2,45}\]):(\d{1,10})", text, re.ASCII)
    if named is None:
        return []
    process = Handle(kind=Kind.PROCESS, name=named[2], place=named[1].strip("[]"))
    return [process, Handle(kind=Kind.NODE, name=text)]  # of nodes on one host YARN's are told apart by their ports


def _uids(text: str) -> list[Handle]:
    return [Handle(kind=Kind.POD, name=text, place="uid")] if _UID.fullmatch(text) else []


def _names(text: str) -> list[Handle]:
    """Return what any word may be."""
    return [Handle(kind=kind, name=text) for kind in (Kind.NODE, Kind.JOB_NAME)] if _WORD.fullmatch(text) else []


def _pods(text: str) -> list[Handle]:
    namespace, slash, name = text.rpartition("/")
    if not re.fullmatch(_POD_NAME, name) or (slash and not re.fullmatch(_POD_NAME, namespace)):
        return []
    pod = Handle(kind=Kind.POD, name=name, place=namespace or None)
    if not slash:
        return [pod, Handle(kind=Kind.APPLICATION, name=name)]
    is_executor = re.fullmatch(_EXECUTOR, name, re.ASCII) is not None  # of an application with a name of its own kind
    return [pod, *([Handle(kind=Kind.EXECUTOR, name=name, place=namespace)] if is_executor else [])]
