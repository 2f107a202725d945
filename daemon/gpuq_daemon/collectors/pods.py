"""Follows the pods of jobs in a namespace: a list in chunks, and a watch from there on.

A watch that breaks goes on from the last version it has told of; where the API has forgotten that, from a new list.

Source: Kubernetes, "API Concepts": chunks, bookmarks, 410 Gone, which a watch tells as an event of type ERROR.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable

import msgspec

from gpuq_daemon.kubernetes.access import Access
from gpuq_daemon.kubernetes.api import GONE, Api, ApiError
from gpuq_daemon.kubernetes.mirror import Mirror, PodEvent
from gpuq_daemon.kubernetes.objects import Metadata, Pod, listing
from gpuq_daemon.kubernetes.stream import lines

logger = logging.getLogger(__name__)

_WATCH_S = 300
_SILENCE_S = 90.0  # the API sends a bookmark about every minute
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Marked(msgspec.Struct, frozen=True):
    metadata: Metadata


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


_EVENT = msgspec.json.Decoder(_Event)
_POD = msgspec.json.Decoder(Pod)
_MARKED = msgspec.json.Decoder(_Marked)
_ERROR = msgspec.json.Decoder(_Error)


class PodWatch:
    """The pods of one namespace. `events` goes on for ever; whatever breaks is begun anew from a list."""

    def __init__(self, access: Access, namespace: str, is_ours: Callable[[Pod], bool]) -> None:
        self._access = access
        self._api = Api(access)
        self._namespace = namespace
        self.mirror = Mirror(is_ours)
        self.lists = 0

    async def events(self) -> AsyncGenerator[list[PodEvent]]:
        """Yield what changes, some events at a time; nothing is told twice.

        The first is the whole list; without pods it is empty, and says that the namespace has been looked at.
        """
        version: str | None = None
        pause_s = _SHORTEST_PAUSE_S
        while True:
            try:
                if version is None:
                    version, events = await asyncio.to_thread(self._list)
                    yield events
                async for told, events in self._watched(version):
                    version, pause_s = told, _SHORTEST_PAUSE_S
                    if events:
                        yield events
            except ApiError as error:
                if error.status == GONE:
                    version = None  # what happened since is not kept: only a list can tell
                    continue
                logger.warning("the watch of pods broke", extra={"namespace": self._namespace, "why": str(error)})
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _list(self) -> tuple[str, list[PodEvent]]:
        self.lists += 1
        found, version = listing(self._api, self._namespace, keep=self.mirror.concerns)
        return version, self.mirror.listed(found, version)

    async def _watched(self, version: str) -> AsyncGenerator[tuple[str, list[PodEvent]]]:
        """Yield the events of one watch, each with the version to go on from; it ends when the API ends it."""
        query: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": _WATCH_S,
        }
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        async for line in lines(self._access, path, query, silence_s=_SILENCE_S):
            if line.strip():
                yield self._event(line)

    def _event(self, line: bytes) -> tuple[str, list[PodEvent]]:
        try:
            event = _EVENT.decode(line)
            match event.type:
                case "ADDED" | "MODIFIED" | "DELETED":
                    pod = _POD.decode(event.object)
                    return pod.metadata.resource_version, self.mirror.told(event.type, pod)
                case "BOOKMARK":
                    return _MARKED.decode(event.object).metadata.resource_version, []
                case _:
                    error = _ERROR.decode(event.object)
                    raise ApiError(error.message or "the watch is broken", error.code)
        except msgspec.DecodeError as error:
            raise ApiError(f"The Kubernetes API sends something else than Kubernetes' own: {error}.") from error
