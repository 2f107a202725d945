"""Why a job is where it is, in a few lines."""

from __future__ import annotations

from gpuq.text import clean
from gpuq.units import moment, plural, roughly, time_about

FEW_RUNS = 10  # to judge run times by: fewer say nothing
_CLOSE_S = 300.0
_NAMED = 3  # holders that fit into the daemon's sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpuq.client import Json


def why_lines(why: Json, now: float, *, name: str | None = None) -> list[str]:
    """Return the sentence, and all jobs that hold what it waits for where the sentence names only some.

    `name` is what people call the job, where that is not its number.
    """
    reason = f" ({why['reason']})" if why["reason"] else ""
    return [
        clean(f"Job {name or why.get('task') or why['job_id']} is {why['state']}{reason}: {why['text']}"),
        *(clean(_holder(holder)) for holder in why["held_by"] if len(why["held_by"]) > _NAMED),
        *estimate_lines(why, now),
    ]


def task_lines(why: Json, now: float) -> list[str]:
    """Return how the tasks of an array stand, and when the first and the last that waits are thought to start."""
    tasks = why.get("tasks")
    if not tasks:
        return []
    states = tasks["states"]
    lines = [count_line(why["job_id"], states)]
    if states.get("PENDING") and tasks["first_at"] is not None:
        first = time_about(max(tasks["first_at"], now), now)
        last = "cannot be told" if tasks["last_at"] is None else f"by {time_about(max(tasks['last_at'], now), now)}"
        lines.append(f"The first of those that wait starts about {first}, the last {last} in 9 of 10 cases.")
    return lines


def count_line(array_id: int, states: Mapping[str, int]) -> str:
    """Return how many tasks of an array are in which state, the commonest first."""
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items(), key=lambda one: (-one[1], one[0])))
    return f"Array {array_id}: {plural(sum(states.values()), 'task')}: {told}."


def estimate_lines(why: Json, now: float) -> list[str]:
    """Return when a job that waits is estimated to start; nothing where that is not known."""
    line = estimate_text(why, now)
    return [f"It starts {line}."] if line and why["state"] == "PENDING" else []


def estimate_text(one: Json, now: float) -> str | None:
    """Return a job's estimated start, as `in about 20 min (14:05), in 9 of 10 cases by 16:30`; None if not known.

    It says so where hardly anything has run that it could be judged by.
    """
    p50, p90, runs = one.get("p50_at"), one.get("p90_at"), one.get("past_runs")
    if p50 is None:
        return None
    sure = one.get("start_at")
    if sure is not None and (p90 is None or p90 > sure - _CLOSE_S):  # a promise says more than an estimate
        p50, p90 = min(p50, sure), sure
    soon = "at any moment" if p50 <= now + 30 else f"in about {roughly(p50 - now)} ({time_about(p50, now)})"
    late = "may be much later" if p90 is None else f"in 9 of 10 cases by {time_about(max(p90, now), now)}"
    guess = "" if runs is None or runs >= FEW_RUNS else f"; a guess: {_runs(runs)} to judge run times by"
    return f"{soon}, {late}{guess}"


def _runs(count: int) -> str:
    return f"only {plural(count, 'past run')}" if count else "there is no past run"


def sooner_lines(ways: Sequence[Json], now: float) -> list[str]:
    """Return what lets a job start sooner, each way with its start and its likely end, after how it is now."""
    if not ways:
        return []
    as_it_is, *others = ways
    start = f"As it is: {_way(as_it_is, now)}"
    if not others:
        return [f"{start}; nothing that was tried lets it start sooner."]
    return [f"{start}. Sooner:", *(clean(f"  {way['words']}: {_way(way, now)}") for way in others)]


def _way(way: Json, now: float) -> str:
    if way["start_at"] is None:
        return "it is not seen to start"
    start = "it starts now" if way["is_now"] else f"wait about {roughly(max(0.0, way['start_at'] - now))}"
    return f"{start}, ends about {time_about(way['end_at'], now)}"


def test_lines(why: Json, now: float) -> list[str]:
    """Return when a job would start, what stands against it, and what would make it fail."""
    fails = [clean(f"Here it lacks {one}") for one in why.get("hindrances", ())]
    if why["reason"] is None:
        return [*fails, "The job would start now. Nothing was queued."]
    at = why["start_at"]
    when = (
        "It is not known when it would start (`gpuq when` estimates it)"
        if at is None
        else f"It would start by {moment(at)}"
    )
    likely = estimate_text(why, now)
    return [
        *fails,
        clean(f"The job would wait ({why['reason']}): {why['text']}"),
        f"{when if likely is None else f'It would start {likely}'}. Nothing was queued.",
    ]


def when_line(why: Json, now: float, *, name: str | None = None) -> str:
    """Return when a job, called `name` where it is a task, starts, in one line."""
    job = f"Job {name or why.get('task') or why['job_id']}"
    if why["state"] != "PENDING":
        return clean(f"{job} does not wait: it is {why['state']}.")
    likely, promised = estimate_text(why, now), why["start_at"]
    sure = "" if promised is None else f"; promised by {moment(promised)}, unless a node is lost"
    if likely is None:
        known = (
            f"nothing can be said of its start ({why['reason']}: {why['text'].rstrip('.')})"
            if why["reason"]
            else "it starts now"
        )
        return clean(f"{job}: {known}{sure}.")
    return clean(f"{job} starts {likely}{sure}.")


def start_line(why: Json) -> str | None:
    """Return why a job has not started, or that it is starting; None where nothing keeps it or it has started."""
    if why["state"] == "CONFIGURING":
        return clean(f"Job {why.get('task') or why['job_id']} {why['text']}")
    if why["state"] == "PENDING" and why["reason"]:
        return clean(f"Job {why.get('task') or why['job_id']} waits ({why['reason']}): {why['text']}")
    return None


def _holder(holder: Json) -> str:
    until = "no time limit" if holder["until"] is None else f"until {moment(holder['until'])} at the latest"
    name = holder.get("task") or holder["job_id"]
    return f"  job {name} ({holder['user']}) holds {plural(holder['gpus'], 'GPU')}, {until}"
