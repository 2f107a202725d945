"""One job: all its facts, or its end in a sentence."""

from __future__ import annotations

from gpuq.cli.naming import is_array
from gpuq.cli.views.notes import hparams_line
from gpuq.cli.views.queue import progress, shown_id, silence, wanted
from gpuq.cli.views.table import facts, table
from gpuq.cli.views.why import estimate_text
from gpuq.coming_up import coming_up
from gpuq.states import FINAL
from gpuq.text import clean
from gpuq.units import duration, moment, plural, servers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")  # shlex.quote's

_RANKS = ("RANK", "ROLE", "STATE", "NODE", "HOST", "PID", "EXECUTOR", "GPUS", "EXIT")


def job_lines(
    job: Json,
    now: float,
    *,
    told: str | None = None,
    earlier: Sequence[Json] = (),
    width: int | None = None,
    mark: str = "…",
) -> list[str]:
    """Return facts, ranks, and the error with the last lines of the rank that failed first.

    `told` is what has become of messages to its owner, `earlier` are its attempts that are over (`tracing.Trace`).
    """
    before = [("Before" if not place else "", _earlier(one)) for place, one in enumerate(earlier)]
    lines = facts([*job_facts(job, now), *before, ("Notify", _notify(job)), ("Told", told)])
    if job["ranks"]:
        rows = [_rank(rank) for rank in job["ranks"]]
        lines += ["", *table(_RANKS, rows, right=frozenset({"RANK", "PID", "EXIT"}), width=width, mark=mark)]
    return lines + error_lines(job)


def error_lines(job: Json, *, has_tail: bool = True) -> list[str]:
    """Return the error and, unless the reader has seen it, its tail, after an empty line; nothing where none is."""
    if job["error"] is None and not job["error_tail"]:
        return []
    whose = "" if job["failed_rank"] is None else f" (rank {job['failed_rank']})"
    return [
        "",
        clean(f"Error{whose}: {job['error'] or 'unknown'}"),
        *("  " + clean(line, keep="\t") for line in job["error_tail"] if has_tail),
    ]


def job_facts(job: Json, now: float) -> list[tuple[str, str | None]]:
    """Return names and what is known of a job by them, None where nothing is."""
    script = _typed([job["script_name"], *job["args"]])
    return [
        ("Job", f"{shown_id(job)} ({job['name']})" + ("" if job.get("array_id") is None else f", number {job['id']}")),
        ("State", _state(job)),
        ("User", job["user"]),
        ("Account", _account(job)),
        ("Partition", job["partition"]),
        ("Asks for", _asks(job)),
        ("Where", _where(job)),
        ("When", _when(job)),
        ("Array", _array(job)),
        ("Script", script),
        ("SHA-256", job["script_sha256"]),
        ("Code", job.get("code_sha256") and f"frozen with it: gpuq show {job['id']} --code"),
        ("Submitted", moment(job["submitted_at"])),
        ("Starts", estimate_text(job, now) if job["state"] == "PENDING" else None),
        ("Started", _after(job["started_at"], job["submitted_at"], "waited")),
        ("Training", _after(job["running_at"], job["started_at"], "set up in")),
        ("Ended", _after(job["ended_at"], job["started_at"], "ran")),
        ("Attempt", _attempt(job)),
        ("Application", job["application_id"]),
        ("Driver", None if job["driver_pid"] is None else f"pid {job['driver_pid']}"),
        ("Nodes", ", ".join(job["nodes"]) or None),
        ("Files", job["log_uri"]),
        ("Checkpoints", job.get("checkpoint_uri")),
        ("Carried to", job.get("carried_uri")),
        ("Starting", _starting(job)),
        ("Progress", progress(job) or None),
        ("Hparams", hparams_line(job.get("hparams") or ())),
        ("Signals", "; ".join(signal["text"] for signal in job.get("signals") or ()) or None),
        ("Damage", _damage(job)),
        ("Silent", _silent(job, now)),
        ("Fed", _fed(job)),
        ("Used", used(job)),
    ]


def _notify(job: Json) -> str | None:
    return str(job["notify"]).replace(",", ", ") if job.get("notify") else None


def _state(job: Json) -> str:
    why = job["reason"] or (job.get("end_reason") if job["ended_at"] is not None else None)
    reason = f" ({why})" if why and why.lower() != job["state"].lower() else ""
    code = "" if job["exit_code"] is None else f", exit code {job['exit_code']}"
    return f"{job['state']}{reason}{code}"


def _attempt(job: Json) -> str | None:
    """Return which attempt it is, why the one before ended, and how often it may be tried again."""
    if not job["attempt"]:
        return None
    before = job.get("end_reason") if job["ended_at"] is None else None
    which = "the last one" if job["state"] == "PENDING" else "the one before"
    retries = job.get("retries", 0)
    said = [
        f"{which} ended by {before}" if before else None,
        f"{job.get('retried', 0)} of {retries} retries used" if retries else None,
    ]
    return ", ".join([str(job["attempt"]), *(word for word in said if word)])


def _earlier(one: Json) -> str:
    """Return when an attempt that is over ran, how it ended, and where its log is."""
    ran = duration(one["ended_at"] - one["started_at"])
    how = how_ended(one)
    return f"attempt {one['attempt']} of {moment(one['started_at'])} {how} after {ran}: {_log_of(one)}"


def _log_of(one: Json) -> str:
    return f"gpuq logs {shown_id(one | {'id': one['job_id']})} --attempt {one['attempt']}"


def how_ended(attempt: Json) -> str:
    """Return how an attempt ended, as `ended by NodeLost`; one without a reason completed."""
    return f"ended by {attempt['end_reason']}" if attempt["end_reason"] else "completed"


def _starting(job: Json) -> str | None:
    if job["state"] != "CONFIGURING":
        return None
    return coming_up(wanted(job), job["nodes"], [rank["node"] for rank in job["ranks"]])


def _silent(job: Json, now: float) -> str | None:
    said = silence(job, now).removeprefix("silent ")
    return f"{said}, longer than its pace explains: see `gpuq stacks {job['id']}`" if said else None


def _asks(job: Json) -> str:
    limit = job["time_limit_s"]
    time = "no time limit" if limit is None else f"at most {duration(limit)}"
    return f"{gang(job)} ({plural(job['gpus'], job['gpu_kind'])}), {time}"


def _account(job: Json) -> str | None:
    """Return account and QOS; None where there is only what everybody has."""
    account, qos = job.get("account", "root"), job.get("qos", "normal")
    return None if (account, qos) == ("root", "normal") else f"{account}, QOS {qos}"


def _where(job: Json) -> str | None:
    cpus, memory = job.get("cpus_per_worker"), job.get("memory_mib_per_worker")
    ps_cpus = job.get("cpus_per_ps", 1) if job.get("ps") or job.get("evaluator") else 1
    ps_memory = job.get("memory_mib_per_ps")
    said = [
        f"GPUs of model {job['gpu_type']}" if job.get("gpu_type") else None,
        plural(job["nodes_wanted"], "node") if job.get("nodes_wanted") else None,
        "whole nodes" if job.get("exclusive") else None,
        "spread" if job.get("layout") == "spread" else None,
        f"{plural(cpus, 'CPU')} a worker" if cpus else None,
        f"{memory} MiB a worker" if memory else None,
        f"{plural(ps_cpus, 'CPU')} a parameter server" if ps_cpus > 1 else None,
        f"{ps_memory} MiB a parameter server" if ps_memory else None,
        f"reservation {job['reservation']}" if job.get("reservation") else None,
    ]
    return ", ".join(word for word in said if word) or None


def _when(job: Json) -> str | None:
    nice, signal_s = job.get("nice"), job.get("signal_s")
    said = [
        f"held by {job['hold']}" if job.get("hold") else None,
        "priority top" if job.get("is_top") else None,
        f"nice {nice}" if nice else None,
        f"not before {moment(job['begin_at'])}" if job.get("begin_at") is not None else None,
        f"to end by {moment(job['deadline'])}" if job.get("deadline") is not None else None,
        f"after {job['dependency']}" if job.get("dependency") else None,
        f"stopped on {job['stop_on']}" if job.get("stop_on") else None,
        f"asked to stop {signal_s} s before its end" if signal_s else None,
    ]
    return ", ".join(word for word in said if word) or None


def _damage(job: Json) -> str | None:
    count = job.get("damaged_events")
    return f"{plural(count, 'record')} of its event files lost to damage" if count else None


def _fed(job: Json) -> str | None:
    """Return the rows that its ranks have taken, as the product that they are when all is fed."""
    epochs, taken = job.get("epochs", 0), [rank.get("rows") or 0 for rank in job["ranks"]]
    if not epochs:
        return None
    rows = sum(taken)
    if job["state"] != "COMPLETED" or rows % epochs:
        return f"{plural(rows, 'row')}, for {plural(epochs, 'epoch')} in all"
    return f"{plural(rows, 'row')} = {rows // epochs} x {plural(epochs, 'epoch')}"


def _array(job: Json) -> str | None:
    if job.get("array_id") is None:
        return None
    throttle = "" if job.get("throttle") is None else f", {job['throttle']} at once"
    swept = "" if job.get("sweep") is None else f", sweep {job['sweep']}"
    return f"task {job['array_index']} of array {job['array_id']}{throttle}{swept}"


def gang(job: Json) -> str:
    """Return `2 workers x 1 GPU, 1 parameter server`."""
    made = f"{plural(job['workers'], 'worker')} x {plural(job['gpus_per_worker'], 'GPU')}"
    extra = ["independent"] if job.get("independent") else ["run by its own driver"] if job.get("driver") else []
    return ", ".join([made, *servers(job.get("ps", 0), evaluator=job.get("evaluator", False)), *extra])


def _after(at: float | None, before: float | None, word: str) -> str | None:
    if at is None:
        return None
    return moment(at) if before is None else f"{moment(at)} ({word} {duration(at - before)})"


def used(job: Json) -> str | None:
    """Return the bill as its product: GPUs x time held = GPU-hours; None before anything was held."""
    if not job["charged_gpu_s"]:
        return None
    charged, gpus = job["charged_gpu_s"], job["gpus"]
    return f"{plural(gpus, job['gpu_kind'])} x {duration(charged / gpus)} = {charged / 3600:.3f} GPU-h"


def _rank(rank: Json) -> tuple[str, ...]:
    return (
        str(rank["rank"]),
        rank["role"],
        rank["state"],
        rank["node"] or "-",
        rank["host"],
        "-" if rank["pid"] is None else str(rank["pid"]),
        rank["executor_id"] or "-",
        ",".join(rank["gpus"]) or "-",
        "-" if rank["exit_code"] is None else str(rank["exit_code"]),
    )


def queued_line(job: Json) -> str:
    """Return what was queued, as the daemon understood it."""
    limit = "" if job["time_limit_s"] is None else f", at most {duration(job['time_limit_s'])}"
    kind = "job" if job.get("array_id") is None else "array"
    each = " a task" if kind == "array" else ""
    held = f", held until `gpuq release {job['id']}`" if job.get("hold") else ""
    words, swept = job["args"], ""
    if job.get("sweep") is not None:
        words = words[: -2 * len(job["sweep"].split())]
        swept = f", sweeping {job['sweep']}"
    args = swept + (f", with {_typed(words)}" if words else "")
    return clean(f"Queued {kind} {job['id']} ({job['name']}): {gang(job)}{each}{limit}{args}{held}.")


def change_line(job: Json, index: int | None, done: str) -> str:
    """Return what was done to a job, a task or an array: `done` is "held", "released", ..."""
    if is_array(job, index):
        return clean(f"Array {job['id']} ({job['name']}): its tasks are {done}.")
    return clean(f"Job {shown_id(job)} ({job['name']}) is {done}.")


def _end_state(job: Json) -> str:
    """Return how it ended, and of a failure whose it was."""
    why = job.get("end_reason")
    return f"{job['state']} ({why})" if job["state"] == "FAILED" and why else str(job["state"])


def end_line(job: Json) -> str:
    """Return how a job ended: state, exit code, time and GPU time."""
    parts = [_end_state(job)]
    if job["exit_code"] is not None:
        parts.append(f"exit code {job['exit_code']}")
    if job["started_at"] is not None and job["ended_at"] is not None:
        parts.append(f"ran {duration(job['ended_at'] - job['started_at'])}")
    bill = used(job)
    return clean(f"Job {shown_id(job)} ({job['name']}): {', '.join(parts)}" + (f"; used {bill}." if bill else "."))


def cancel_line(before: Json, after: Json) -> str:
    """Return what a cancel did: nothing to a job that had ended, the end of one that waited, or a request."""
    job = f"Job {shown_id(after)} ({after['name']})"
    if before["state"] in FINAL:
        return clean(f"{job} had already ended: {before['state']}.")
    if after["state"] == "CANCELLED":
        return clean(f"{job} is cancelled; it was {before['state']}.")
    if after["state"] in FINAL:
        return clean(f"{job} has ended: {after['state']}.")
    return clean(f"{job} is being cancelled; it was {before['state']}.")


def cancel_many_line(after: Json, index: int | None) -> str:
    """Return what a cancel of an array, or of one task of it, did."""
    if is_array(after, index):
        return clean(f"All tasks of array {after['id']} ({after['name']}) that have not ended are being cancelled.")
    done = f"has ended: {after['state']}" if after["state"] in FINAL else "is being cancelled"
    return clean(f"Job {shown_id(after)} ({after['name']}) {done}.")


def _typed(words: Sequence[str]) -> str:
    """Return words as a shell would be given them."""
    if all(word and _PLAIN.issuperset(word) for word in words):
        return " ".join(words)
    import shlex  # loads `re`, for words that need quotation marks only

    return shlex.join(words)
