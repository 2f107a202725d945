"""Traces: what arrived when, how long it ran, and what it asked for. Philly's columns, or gpuq's own.

gpuq's own is a CSV file with a header. `submit_s` (seconds, or a time as 2026-01-31 08:00:00), `duration_s` and
`gpus` are needed; `user`, `account`, `gpu_type`, `limit_s`, `qos` and `preemptible` (yes or no) may be there, and may
be empty.
Philly's are `timestamp,duration,num_gpus,gpu_time,cluster`; its virtual clusters become accounts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from sys import intern

from gpuq.errors import UsageError
from gpuq.text import clean, fit

_MOST_GPUS = 1 << 20
_LONGEST_S = 100 * 365 * 86_400.0
_OWN = ("submit_s", "duration_s", "gpus", "user", "account", "gpu_type", "limit_s", "qos", "preemptible")
_PHILLY = ("timestamp", "duration", "num_gpus", "cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceJob:
    """A job of a trace. `limit_s` None is no time limit; `is_preemptible` None leaves it to the simulation."""

    submit_s: float
    duration_s: float
    gpus: int
    user: str
    account: str
    gpu_type: str | None = None
    limit_s: int | None = None
    qos: str = "normal"
    is_preemptible: bool | None = None


def read(path: Path) -> list[TraceJob]:
    """Return a trace's jobs by arrival, the first at 0.

    Raises:
        UsageError: it cannot be read, or a line is not understood; the message names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            jobs = list(_jobs(csv.DictReader(file)))
    except (OSError, csv.Error) as error:
        raise UsageError(f"The trace {clean(str(path))} cannot be read: {error}.") from error
    if not jobs:
        raise UsageError(f"The trace {clean(str(path))} has no jobs.")
    return from_zero(jobs)


def from_zero(jobs: Iterable[TraceJob]) -> list[TraceJob]:
    """Return jobs by arrival, moved so that the first arrives at 0."""
    ordered = sorted(jobs, key=lambda job: job.submit_s)
    first = ordered[0].submit_s
    return [replace(job, submit_s=job.submit_s - first) for job in ordered]


def write(jobs: Iterable[TraceJob], path: Path) -> None:
    """Write a trace in gpuq's own columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(_OWN)
        for job in jobs:
            says = {None: "", True: "yes", False: "no"}[job.is_preemptible]
            limit = "" if job.limit_s is None else job.limit_s
            who = (job.user, job.account, job.gpu_type or "", limit, job.qos, says)
            out.writerow((f"{job.submit_s:.0f}", f"{job.duration_s:.0f}", job.gpus, *who))


def _jobs(rows: csv.DictReader[str]) -> Iterator[TraceJob]:
    names = rows.fieldnames or ()
    if all(name in names for name in _OWN[:3]):
        make = _own
    elif all(name in names for name in _PHILLY):
        make = _philly
    else:
        raise UsageError(f"A trace needs the columns {', '.join(_OWN[:3])}, or Philly's ({', '.join(_PHILLY)}).")
    for row in rows:
        try:
            yield make(row)
        except (ValueError, TypeError, AttributeError) as error:
            shown = fit(clean(str(error)), 80)
            raise UsageError(f"Line {rows.line_num} of the trace is not understood: {shown}.") from error


def _philly(row: Mapping[str, str]) -> TraceJob:
    account = intern(row["cluster"])
    return TraceJob(
        submit_s=_time(row["timestamp"]),
        duration_s=_seconds(row["duration"]),
        gpus=_gpus(row["num_gpus"]),
        user=account,
        account=account,
    )


def _own(row: Mapping[str, str]) -> TraceJob:
    limit, says = row.get("limit_s"), (row.get("preemptible") or "").strip().lower()
    if says not in ("", "yes", "no"):
        raise ValueError("preemptible is yes, no or empty")
    account = intern(row.get("account") or row.get("user") or "all")
    return TraceJob(
        submit_s=_time(row["submit_s"]),
        duration_s=_seconds(row["duration_s"]),
        gpus=_gpus(row["gpus"]),
        user=intern(row.get("user") or account),
        account=account,
        gpu_type=intern(row["gpu_type"]) if row.get("gpu_type") else None,
        limit_s=max(1, int(_seconds(limit))) if limit else None,
        qos=intern(row.get("qos") or "normal"),
        is_preemptible=None if not says else says == "yes",
    )


def _time(text: str) -> float:
    try:
        return _seconds(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (isfinite(seconds) and 0 <= seconds <= _LONGEST_S):
        raise ValueError(f"{text} is no time in seconds")
    return seconds


def _gpus(text: str) -> int:
    gpus = int(text)
    if not 0 < gpus <= _MOST_GPUS:
        raise ValueError(f"{text} is no number of GPUs")
    return gpus
