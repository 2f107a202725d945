"""How often promised starts were kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gpuq.sharing import EtaRow


class Promise(Protocol):
    """What was promised, and what came of it; all in Unix seconds."""

    @property
    def job_id(self) -> int: ...
    @property
    def made_at(self) -> float: ...
    @property
    def p50_at(self) -> float | None: ...
    @property
    def p90_at(self) -> float | None: ...
    @property
    def started_at(self) -> float | None: ...
    @property
    def left_at(self) -> float | None: ...


_HOUR = 3600.0
_SPANS: tuple[tuple[str, float], ...] = (
    ("start within 10 min", 600.0),
    ("within 1 h", _HOUR),
    ("within 6 h", 6 * _HOUR),
    ("within a day", 24 * _HOUR),
    ("later", float("inf")),
)


def eta_rows(promises: Iterable[Promise], now: float) -> list[EtaRow]:
    """Return how promises were kept: all, the first of each job, and by how far away the promised start was.

    One that has not been kept when its late moment has passed is broken, whether the job has started or not; of one
    whose job waits and may still start in time nothing is said. Jobs that left without a start do not count.
    """
    judged = [one for one in promises if one.left_at is None and _is_judged(one, now)]
    rows = [_row("all", judged), _row("first of each job", _first(judged))]
    least = 0.0
    for name, most in _SPANS:
        there = [one for one in judged if least <= (one.p50_at or 0.0) - one.made_at < most]
        if there:
            rows.append(_row(name, there))
        least = most
    return rows


def _is_judged(one: Promise, now: float) -> bool:
    return one.started_at is not None or (one.p90_at is not None and one.p90_at < now)


def _first(promises: Iterable[Promise]) -> list[Promise]:
    found: dict[int, Promise] = {}
    for one in promises:
        before = found.get(one.job_id)
        if before is None or one.made_at < before.made_at:
            found[one.job_id] = one
    return list(found.values())


def _row(name: str, promises: Sequence[Promise]) -> EtaRow:
    started = [one for one in promises if one.started_at is not None]
    told = [
        (abs(one.started_at - one.p50_at), max(60.0, one.started_at - one.made_at, one.p50_at - one.made_at))
        for one in started
        if one.started_at is not None and one.p50_at is not None
    ]
    off, errors = sorted(off for off, _ in told), sorted(off / wait for off, wait in told)
    return EtaRow(
        which=name,
        promises=len(promises),
        p50_kept=_part(promises, lambda one: one.p50_at),
        p90_kept=_part(promises, lambda one: one.p90_at),
        median_error=errors[len(errors) // 2] if errors else None,
        median_off_s=off[len(off) // 2] if off else None,
    )


def _part(promises: Sequence[Promise], by: Callable[[Promise], float | None]) -> float | None:
    """Return which part started by the moment that was promised, None where none was."""
    told = [(one.started_at, at) for one in promises if (at := by(one)) is not None]
    return sum(start is not None and start <= at for start, at in told) / len(told) if told else None
