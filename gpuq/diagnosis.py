"""How gpuqd itself fares, as `gpuq admin diag` and `GET /v1/diag` say it. Durations are in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long one kind of thing took; `p50_s` and `p99_s` are true within a sixteenth.

    All is 0 where `count` is. `last_s` and `max_s` are exact.
    """

    name: str
    count: int
    mean_s: float
    p50_s: float
    p99_s: float
    max_s: float
    last_s: float
