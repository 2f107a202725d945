"""Columns by name: what `-o`, `--csv` and squeue's `--format` may ask of a job.

Names are stable: scripts read them. Times are local as Slurm writes them, `2026-12-01T10:00:00`; what is not known is
empty.
"""

from __future__ import annotations

import time

from gpuq.cli.views.queue import elapsed_s, progress, shown_id
from gpuq.cli.views.table import table
from gpuq.errors import UsageError
from gpuq.near import hint
from gpuq.states import SHORT_STATES
from gpuq.text import clean, display_width, fit, inert, pad
from gpuq.units import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gpuq.client import Json

    Cell = Callable[[Json, float], str]

_RIGHT = frozenset({
    "id", "number", "gpus", "workers", "gpus_per_worker", "priority", "nice", "attempt", "exit_code", "elapsed", "left",
    "time_limit", "wait", "charged_gpu_h", "step", "value", "array_index",
})  # fmt: skip
_PLAIN = (
    "name", "user", "account", "partition", "qos", "state", "reason", "hold", "gpus", "workers", "gpus_per_worker",
    "gpu_type", "nodes", "nodes_wanted", "priority", "nice", "attempt", "dependency", "reservation",
    "end_reason", "error", "application_id", "script_name", "script_sha256", "args", "log_uri", "checkpoint_uri",
)  # fmt: skip


def _field(key: str) -> Cell:
    return lambda job, _now: _word(job.get(key))


def _word(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return " ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType] - JSON
        case _:
            return str(value)


def _time(key: str) -> Cell:
    def cell(job: Json, _now: float) -> str:
        at = job.get(key)
        return "" if at is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))

    return cell


def _elapsed(job: Json, now: float) -> str:
    if job.get("started_at") is None:
        return "00:00:00"
    return duration(elapsed_s(job, now) or 0.0)


def _wait(job: Json, now: float) -> str:
    until = job.get("started_at") or job.get("ended_at") or now
    return duration(until - job["submitted_at"])


def _limit(job: Json, _now: float) -> str:
    return "" if job.get("time_limit_s") is None else duration(job["time_limit_s"])


def _left(job: Json, now: float) -> str:
    if job.get("time_limit_s") is None:
        return ""
    started = job.get("started_at")
    return duration(job["time_limit_s"] - (0.0 if started is None else now - started))


def _progress(job: Json, _now: float) -> str:
    return progress(job) if job.get("progress") else ""


def _where(job: Json, _now: float) -> str:
    return ",".join(job.get("nodes") or ()) or (f"({job['reason']})" if job.get("reason") else "")


def _newest(key: str) -> Cell:
    def cell(job: Json, _now: float) -> str:
        newest: Json | None = job.get("progress")
        return "" if newest is None else _word(newest[key])

    return cell


def _exit_code(job: Json, _now: float) -> str:
    return "" if job.get("started_at") is None else _word(job.get("exit_code"))  # what never began ended by no code


COLUMNS: dict[str, Cell] = {
    "id": lambda job, _now: shown_id(job),
    "number": _field("id"),
    "array_id": _field("array_id"),
    "array_index": _field("array_index"),
    **{key: _field(key) for key in _PLAIN},
    "exit_code": _exit_code,
    "st": lambda job, _now: SHORT_STATES.get(str(job["state"]), str(job["state"])),
    "submitted": _time("submitted_at"),
    "started": _time("started_at"),
    "training": _time("running_at"),
    "ended": _time("ended_at"),
    "begin": _time("begin_at"),
    "deadline": _time("deadline"),
    "start": _time("start_at"),
    "elapsed": _elapsed,
    "wait": _wait,
    "time_limit": _limit,
    "left": _left,
    "charged_gpu_h": lambda job, _now: f"{job['charged_gpu_s'] / 3600:.3f}",
    "where": _where,
    "progress": _progress,
    "tag": _newest("tag"),
    "value": _newest("value"),
    "step": _newest("step"),
}
# What `--csv` prints where no columns are asked for.
CSV = (
    "id", "name", "user", "account", "partition", "qos", "state", "reason", "gpus", "gpu_type", "workers", "submitted",
    "started", "ended", "elapsed", "time_limit", "priority", "nodes", "exit_code", "charged_gpu_h", "error",
)  # fmt: skip
# What is known of a job that has ended without asking for the whole of it.
ENDED = (
    "id", "name", "user", "account", "qos", "partition", "state", "st", "exit_code", "gpus", "submitted", "started",
    "ended", "wait", "elapsed", "charged_gpu_h", "error", "number", "array_id", "array_index", "workers",
    "gpus_per_worker", "gpu_type", "time_limit", "attempt", "end_reason", "script_name",
)  # fmt: skip

# Source: Slurm, squeue, `--format`; letters whose meaning gpuq has.
_SQUEUE = {
    "i": "id",
    "A": "number",
    "F": "array_id",
    "K": "array_index",
    "j": "name",
    "u": "user",
    "t": "st",
    "T": "state",
    "M": "elapsed",
    "l": "time_limit",
    "L": "left",
    "S": "start",
    "e": "ended",
    "V": "submitted",
    "P": "partition",
    "a": "account",
    "q": "qos",
    "Q": "priority",
    "r": "reason",
    "N": "nodes",
    "b": "gpus",
    "o": "script_name",
    "y": "nice",
    "v": "reservation",
    "E": "dependency",
    "D": "nodes_wanted",
    "R": "where",
}


# Source: Slurm, sacct and squeue, `--helpformat`; names of fields that are called otherwise here.
_SACCT = {
    "jobid": "id",
    "jobidraw": "number",
    "arrayjobid": "array_id",
    "arraytaskid": "array_index",
    "jobname": "name",
    "username": "user",
    "statecompact": "st",
    "exitcode": "exit_code",
    "submit": "submitted",
    "submittime": "submitted",
    "end": "ended",
    "endtime": "ended",
    "timelimit": "time_limit",
    "timeused": "elapsed",
    "timeleft": "left",
    "nodelist": "nodes",
    "reasonlist": "where",
    "priorityl": "priority",
}


def parse_columns(text: str, known: Iterable[str] = COLUMNS) -> list[str]:
    """Return the columns that `id,name,gpus` names.

    Raises:
        UsageError: one is unknown.
    """
    known = list(known)
    names = [word.strip().lower() for word in text.split(",") if word.strip()]
    names = [name if name in known else _SACCT.get(name, name) for name in names]
    for name in names:
        if name not in known:
            there = hint(name, known, f"there are {', '.join(known)}.")
            raise UsageError(f"There is no column '{fit(clean(name), 40)}'; {there}")
    if not names:
        raise UsageError(f"Name columns, as in -o id,name,state; there are {', '.join(known)}.")
    return names


def csv_lines(jobs: Iterable[Json], names: Sequence[str], now: float) -> list[str]:
    """Return a header and a line a job, as `quoted_lines` does."""
    return quoted_lines([names, *([COLUMNS[name](job, now) for name in names] for job in jobs)])


def quoted_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as CSV, quoted as RFC 4180 says, cleaned of what could act on a terminal or in a spreadsheet."""
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([inert(clean(cell)) for cell in row] for row in rows)
    return out.getvalue().removesuffix("\n").split("\n")


def column_lines(
    jobs: Iterable[Json], names: Sequence[str], now: float, *, has_header: bool, width: int | None, mark: str = "…"
) -> list[str]:
    """Return aligned columns, cut at `width` cells, or not at all where that is None."""
    rows = [[COLUMNS[name](job, now) for name in names] for job in jobs]
    right = frozenset(name.upper() for name in names if name in _RIGHT)
    lines = table([name.upper() for name in names], rows, right=right, width=width, mark=mark)
    return lines if has_header else lines[1:]


def squeue_lines(jobs: Iterable[Json], format: str, now: float, *, has_header: bool) -> list[str]:
    """Return lines as squeue's `--format` says them: `%[.][WIDTH]LETTER`, and other text as it is.

    A `.` puts a field to the right; what is wider than its width is cut.

    Raises:
        UsageError: a letter means nothing here.
    """
    fields = _fields(format)
    header = {name: name.upper() for _, name, _, _ in fields}
    lines = [_squeue_line(fields, header)] if has_header else []
    for job in jobs:
        cells = {name: COLUMNS[name](job, now) for _, name, _, _ in fields if name}
        lines += [_squeue_line(fields, cells)]
    return lines


def _fields(format: str) -> list[tuple[str, str, int | None, bool]]:
    """Return what stands before each field, its column ("": none), width, and whether it stands right."""
    found: list[tuple[str, str, int | None, bool]] = []
    before, rest = "", clean(format)
    while rest:
        text, percent, rest = rest.partition("%")
        before += text
        if not percent:
            break
        is_right = rest.startswith(".")
        after = rest.removeprefix(".").lstrip("0123456789")
        digits = rest[is_right : len(rest) - len(after)]
        letter, rest = after[:1], after[1:]
        if letter not in _SQUEUE or len(digits) > 4:
            letters = ", ".join(f"%{key} {name}" for key, name in _SQUEUE.items())
            raise UsageError(f"'%{fit(digits + letter, 10)}' means nothing in a format here; there are {letters}.")
        found.append((before, _SQUEUE[letter], int(digits) if digits else None, is_right))
        before = ""
    return [*found, (before, "", None, False)] if before else found


def _squeue_line(fields: Sequence[tuple[str, str, int | None, bool]], cells: Json) -> str:
    line = ""
    for before, name, width, is_right in fields:
        cell = clean(str(cells.get(name, "")))
        if width is not None:
            cell = pad(cell if display_width(cell) <= width else fit(cell, width, mark=""), width, right=is_right)
        line += before + cell
    return line.rstrip()
