"""The queue as a table, and the cluster as its first line."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.coming_up import coming_up
from gpuq.states import SHORT_STATES
from gpuq.text import clean, fit
from gpuq.units import duration, number, plural, time_near

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_WIDEST_ERROR = 100  # cells, also where nothing else is cut: `gpuq show` has the whole
_WIDEST_TASKS = 24
_HEADER = ("JOB", "NAME", "USER", "ST", "GPU", "TIME", "WHY / PROGRESS")


def queue_lines(
    jobs: Sequence[Json], cluster: Json, now: float, *, width: int | None, mark: str = "…", whose: str = ""
) -> list[str]:
    """Return the cluster's line and one line a job, in the order given.

    TIME is the wait of a pending job and the run of any other, up to `now` (Unix seconds) or its end; `-` where
    the job ended before it started. Errors are cut at 100 cells with `mark`.
    """
    rows = [_row(job, cluster, now, mark) for job in jobs]
    return _lines(rows, [row[3] for row in rows], cluster, width=width, mark=mark, whose=whose)


def open_queue_lines(queue: Json, now: float, *, width: int | None, mark: str = "…", whose: str = "") -> list[str]:
    """Return the same of a whole queue as the API tells it for a table: pending jobs by columns.

    Tasks of an array that wait for the same reason are one line, at the first of them, as squeue shows them.
    """
    cluster, pending = queue["cluster"], queue["pending"]
    rows = [(job["id"], _row(job, cluster, now, mark)) for job in queue["jobs"]]
    states = [row[3] for _, row in rows] + [SHORT_STATES["PENDING"]] * len(pending["id"])
    rows += _less_tasks(pending, _pending_rows(pending, cluster, now), mark)
    rows.sort(key=lambda row: row[0])
    return _lines([row for _, row in rows], states, cluster, width=width, mark=mark, whose=whose)


def _less_tasks(pending: Json, rows: list[tuple[str, ...]], mark: str) -> list[tuple[int, tuple[str, ...]]]:
    """Return rows with the ids that order them, those of like tasks of an array put together."""
    alone: list[tuple[int, tuple[str, ...]]] = []
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, (job_id, array_id) in enumerate(zip(pending["id"], pending["array_id"], strict=True)):
        if array_id is None:
            alone.append((job_id, rows[place]))
        else:
            alike = (array_id, pending["reason"][place], pending["partition"][place], pending["gpus"][place])
            groups.setdefault(alike, []).append(place)
    for (array_id, *_), places in groups.items():
        tasks = ranges(sorted(pending["array_index"][place] for place in places))
        throttle = pending["throttle"][places[0]]
        at_once = "" if throttle is None else f"%{throttle}"
        named = f"[{fit(tasks, _WIDEST_TASKS, mark=mark)}{at_once}]" if len(places) > 1 else tasks
        alone.append((pending["id"][places[0]], (f"{array_id}_{named}", *rows[places[0]][1:])))
    return alone


def ranges(numbers: Sequence[int]) -> str:
    """Return rising numbers as an array is written: `0-3,7,9-12`."""
    parts: list[list[int]] = []
    for one in numbers:
        if parts and one == parts[-1][-1] + 1:
            parts[-1][1:] = [one]
        else:
            parts.append([one])
    return ",".join("-".join(map(str, part)) for part in parts)


def _pending_rows(pending: Json, cluster: Json, now: float) -> list[tuple[str, ...]]:
    comments: dict[tuple[str, int, str], str] = {}
    keys = list(zip(pending["reason"], pending["gpus"], pending["partition"], strict=True))
    for key in set(keys):
        comments[key] = _waiting(dict(zip(("reason", "gpus", "partition"), key, strict=True)), cluster)
    waits = [comments[key] for key in keys]
    short = SHORT_STATES["PENDING"]
    shown: dict[int, str] = {}
    ages = [int(now - at) for at in pending["submitted_at"]]
    for age in set(ages):
        shown[age] = duration(age)
    times = [shown[age] for age in ages]
    if "p50_at" in pending and any(at is not None for at in pending["p50_at"]):
        estimates = zip(pending["p50_at"], pending["p90_at"], strict=True)
        waits = [_starting(*both, now) + wait for both, wait in zip(estimates, waits, strict=True)]
    shorts = [short] * len(ages)
    columns = (
        map(str, pending["id"]),
        pending["name"],
        pending["user"],
        shorts,
        map(str, pending["gpus"]),
        times,
        waits,
    )
    return list(zip(*columns, strict=True))


def _lines(
    rows: Sequence[tuple[str, ...]],
    states: Sequence[str],
    cluster: Json,
    *,
    width: int | None,
    mark: str,
    whose: str,
) -> list[str]:
    first = [cluster_line(cluster, states, whose)]
    if cluster.get("engine_message"):
        first.append(clean(f"Engine: {cluster['engine_message']}"))
    if width is not None:
        first = [fit(line, width, mark=mark) for line in first]
    if not rows:
        return first
    right = frozenset({"JOB", "GPU", "TIME"})
    return first + table(_HEADER, rows, right=right, width=width, widest={"NAME": 20, "USER": 12}, mark=mark)


def cluster_line(cluster: Json, states: Sequence[str], whose: str) -> str:
    """Return how many GPUs are busy, nodes that are down, and how many jobs are in which (short) state."""
    parts = [_busy(cluster["nodes"])]
    down = sum(not node["is_up"] for node in cluster["nodes"])
    if down:
        parts.append(f"{plural(down, 'node')} down")
    counts = [(short, states.count(short)) for short in SHORT_STATES.values()]
    told = ", ".join(f"{count} {short}" for short, count in counts if count)
    parts.append(f"{whose}{plural(len(states), 'job')}" + (f": {told}" if told else ""))
    return clean(" | ".join(parts))


def _busy(nodes: Sequence[Json]) -> str:
    kinds: dict[str, tuple[int, int]] = {}
    for node in nodes:
        if node["is_up"]:
            busy, total = kinds.get(node["gpu_kind"], (0, 0))
            kinds[node["gpu_kind"]] = (busy + node["gpus"] - node["free_gpus"], total + node["gpus"])
    if not kinds:
        return "no GPUs: no node is up"
    return ", ".join(f"{busy} of {plural(total, kind)} busy" for kind, (busy, total) in kinds.items())


def _row(job: Json, cluster: Json, now: float, mark: str) -> tuple[str, ...]:
    elapsed = elapsed_s(job, now)
    return (
        shown_id(job),
        job["name"],
        job["user"],
        SHORT_STATES.get(str(job["state"]), str(job["state"])),
        str(job["gpus"]),
        "-" if elapsed is None else duration(elapsed),
        comment(job, cluster, now=now, mark=mark),
    )


def _starting(p50_at: float | None, p90_at: float | None, now: float) -> str:
    """Return when a job is estimated to start, in front of why it waits: `~14:05 by 16:30 | `."""
    if p50_at is None:
        return ""
    late = "" if p90_at is None or p90_at < now else f" by {time_near(p90_at, now)}"
    return f"~{time_near(max(p50_at, now), now)}{late} | "


def shown_id(job: Json) -> str:
    """Return what people call a job: its number, of a task `12_3` where its index is told."""
    index = job.get("array_index")
    return str(job["id"]) if index is None else f"{job['array_id']}_{index}"


def elapsed_s(job: Json, now: float) -> float | None:
    """Return seconds since a job's start, up to its end; its wait before; None where it ended without a start."""
    if job["started_at"] is None:
        return now - job["submitted_at"] if job["ended_at"] is None else None
    since = job["started_at"]
    return (now if job["ended_at"] is None else job["ended_at"]) - since


def wanted(job: Json) -> int:
    """Return how many ranks a job has."""
    return job["workers"] + job.get("ps", 0) + job.get("evaluator", False)


def silence(job: Json, now: float) -> str:
    """Return `silent for 12m` of a running job from which nothing comes any more, else nothing."""
    since = job.get("silent_since")
    return "" if since is None else f"silent for {duration(now - since)}"


def comment(job: Json, cluster: Json, *, now: float = 0.0, mark: str = "…") -> str:
    """Return what matters of a job in its state: why it waits, how far it is, or how it ended."""
    error = fit(clean(job["error"] or ""), _WIDEST_ERROR, mark=mark)
    match job["state"]:
        case "PENDING":
            return _starting(job.get("p50_at"), job.get("p90_at"), now) + _waiting(job, cluster)
        case "CONFIGURING":
            return coming_up(wanted(job), job["nodes"], [rank["node"] for rank in job["ranks"]])
        case "COMPLETING":
            return "cleaning up"
        case "FAILED":
            why = job.get("end_reason")
            if why not in (None, "UserError"):
                return ": ".join(part for part in (why, error) if part)
            code = "" if job["exit_code"] is None else f"exit {job['exit_code']}"
            return ": ".join(part for part in (code, error) if part)
        case "TIMEOUT":
            return error or "time limit reached"
        case "CANCELLED" | "DEADLINE":
            return error
        case _:
            return "  ".join(
                part for part in (silence(job, now), signals(job), progress(job), ", ".join(job["nodes"])) if part
            )


def signals(job: Json) -> str:
    """Return what a running training's points say that is wrong, `! loss is NaN at step 60`; empty where nothing is."""
    return "; ".join(f"! {clean(signal['text'])}" for signal in job.get("signals") or ())


def progress(job: Json) -> str:
    """Return `loss 0.412 @ 240 v`: tag, newest value, step and trend (`v` falls, `^` rises); empty without."""
    newest = job["progress"]
    if newest is None:
        return ""
    value, previous = newest["value"], newest["previous"]
    trend = ""
    if value is not None and previous is not None and value != previous:
        trend = " v" if value < previous else " ^"
    shown = "NaN" if value is None else number(value)  # JSON has no NaN
    return f"{newest['tag']} {shown} @ {newest['step']}{trend}"


def _waiting(job: Json, cluster: Json) -> str:
    match job["reason"]:
        case "Resources":
            free = sum(
                node["free_gpus"]
                for node in cluster["nodes"]
                if node["is_up"] and node["partition"] == job["partition"]
            )
            return f"Resources: needs {plural(job['gpus'], 'GPU')}, {free} free"
        case "Priority":
            return "Priority: jobs in front of it come first"
        case "EngineDown":
            return "EngineDown: " + (cluster["engine_message"] or "the engine does not answer")
        case None:
            return "not considered yet"
        case other:
            return other
