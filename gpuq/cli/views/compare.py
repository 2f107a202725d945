"""Jobs side by side: how a scalar ends, how good it was at best, and where all have come."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.text import clean
from gpuq.units import duration, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpuq.client import Json


def compared_lines(
    one: Json, *, names: Mapping[int, str] | None = None, width: int | None = None, mark: str = "…"
) -> list[str]:
    """Return the tag, a table of ends and best values, and one of where all have come; differences are from the first.

    The second table is left out for a job alone. Jobs are told by `names` where they have one.
    """
    first, jobs = one["jobs"][0], one["jobs"]
    best = "LOWEST" if one["is_less_better"] else "HIGHEST"
    header = ("JOB", "LAST", "STEP", "AFTER", best, "AT STEP", "AFTER ", "STEPS/S")
    lines = [clean(one["tag"]), *_table(header, [_ends(job, names or {}) for job in jobs], width, mark)]
    if len(jobs) > 1:
        header = ("JOB", f"AT STEP {one['step']}", "DIFFERENCE", f"AFTER {duration(one['time_s'])}", "DIFFERENCE ")
        lines += ["", *_table(header, [_where_all_are(job, first, names or {}) for job in jobs], width, mark)]
    return lines


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]], width: int | None, mark: str) -> list[str]:
    return table(header, rows, right=frozenset(header), width=width, mark=mark)


def _called(job: Json, names: Mapping[int, str]) -> str:
    return names.get(job["job_id"], str(job["job_id"]))


def _ends(job: Json, names: Mapping[int, str]) -> tuple[str, ...]:
    return (
        _called(job, names),
        "NaN/inf" if job["last"] is None else number(job["last"]),
        str(job["last_step"]),
        duration(job["last_s"]),
        number(job["best"]),
        str(job["best_step"]),
        duration(job["best_s"]),
        number(job["steps_per_s"]),
    )


def _where_all_are(job: Json, first: Json, names: Mapping[int, str]) -> tuple[str, ...]:
    told = [_called(job, names)]
    for name in ("at_step", "at_time"):
        told += [number(job[name]), "" if job is first else difference(job[name], first[name])]
    return tuple(told)


def verdict_line(one: Json, *, names: Mapping[int, str] | None = None) -> str | None:
    """Return which job is the better one by step and by time, in a sentence; None with fewer than two values."""
    said: list[str] = []
    for name, where in (("at_step", f"at step {one['step']}"), ("at_time", f"after {duration(one['time_s'])}")):
        known = [job for job in one["jobs"] if job[name] is not None]
        if len(known) < 2:
            return None
        choose = min if one["is_less_better"] else max
        best = choose(known, key=lambda job: job[name])
        rest = choose(job[name] for job in known if job is not best)
        if best[name] == rest:
            said.append(f"{where} nobody is ahead ({number(rest)})")
        else:
            said.append(
                f"{where} job {_called(best, names or {})} is ahead ({number(best[name])}, next {number(rest)})"
            )
    text = "; ".join(said) + "."
    return text[0].upper() + text[1:]


def difference(value: float | None, base: float | None) -> str:
    """Return a difference with its sign, and in percent of the base; `-` where one is not known."""
    if value is None or base is None:
        return "-"
    off = value - base
    percent = f" ({100 * off / abs(base):+.1f} %)" if base and abs(off / base) < 100 else ""
    return f"{off:+.4g}{percent}"
