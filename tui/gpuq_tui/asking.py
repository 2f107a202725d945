"""What the interface needs of a client, and how the parts of an answer are taken from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gpuq.client import Json
from gpuq.errors import GpuqError, UnavailableError
from gpuq_tui.changes import Streams
from gpuq_tui.foreign import cleaned_text
from gpuq_tui.lines.line import Look

T = TypeVar("T")


class Asks(Streams, Protocol):
    """What the interface needs of `gpuq.client.Client`."""

    def jobs(self, *, everything: bool = False) -> list[Json]: ...
    def job(self, job_id: int) -> Json: ...
    def why(self, job_id: int) -> Json: ...
    @property
    def path(self) -> str: ...
    def shares(self) -> Json: ...
    def accounts(self) -> Json: ...
    def qos(self) -> list[Json]: ...
    def limits(self) -> list[Json]: ...
    def reservations(self) -> list[Json]: ...
    def drains(self) -> list[Json]: ...
    def trace(self, handle: str) -> Json: ...
    def diag(self) -> Json: ...
    def logs(
        self,
        job_id: int,
        *,
        rank: int | None = None,
        offset: int = 0,
        limit: int = 256 * 1024,
        attempt: int | None = None,
        stream: str | None = None,
        until: int | None = None,
    ) -> Json: ...
    def checkpoints(self, job_id: int) -> list[Json]: ...
    def messages(self, **asked: object) -> list[Json]: ...
    def series(self, job_id: int) -> list[Json]: ...
    def curve(
        self,
        job_id: int,
        tag: str,
        *,
        rank: int | None = None,
        run: str | None = None,
        columns: int = 200,
        x: str = "step",
        smooth: float = 0.0,
        begin: float | None = None,
        end: float | None = None,
    ) -> Json: ...
    def heat_map(self, job_id: int, tag: str, **how: Any) -> Json: ...
    def checkpoint(self, job_id: int, at: str | None = None) -> Json: ...
    def distribution(self, job_id: int, name: str, *, at: str | None, minus: str | None, bins: int) -> Json: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Takes the parts of an answer one by one: one that is refused does not hide the others."""

    refused: dict[str, str]
    look: Look

    def take(self, name: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except UnavailableError:
            raise
        except GpuqError as error:
            self.refused[name] = cleaned_text(str(error), self.look)
            return None
