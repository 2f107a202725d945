"""What a script wrote beside numbers: texts, a list of pictures, hyperparameters."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.text import clean, fit
from gpuq.units import number, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_WIDEST_SETTING = 40


def text_lines(job_id: int, texts: Sequence[Json]) -> list[str]:
    """Return each text below its tag and step, or that there is none."""
    if not texts:
        return [f"Job {job_id} has written no text: `tf.summary.text` does."]
    lines: list[str] = []
    for one in texts:
        lines += ["", f"{_where(one)}:"] if lines else [f"{_where(one)}:"]
        lines += ["  " + clean(line, keep="\t") for line in one["text"].splitlines()]
        lines += ["  (what follows was not kept)"] if one["is_cut"] else []
    return lines


def picture_lines(job_id: int, pictures: Sequence[Json], *, width: int | None = None, mark: str = "…") -> list[str]:
    """Return a table of pictures, or that there is none."""
    if not pictures:
        return [f"Job {job_id} has written no picture: `tf.summary.image` does."]
    header = ("ID", "ATTEMPT", "RANK", "RUN", "TAG", "STEP", "NUMBER", "PIXELS", "BYTES")
    rows = [
        (
            *(str(one[name]) for name in ("id", "attempt", "rank")),
            *(clean(one[name]) for name in ("run", "tag")),
            *(str(one[name]) for name in ("step", "number")),
            f"{one['width']}x{one['height']}" if one["width"] else "-",
            str(one["bytes"]),
        )
        for one in pictures
    ]
    right = frozenset(("ID", "ATTEMPT", "RANK", "STEP", "NUMBER", "PIXELS", "BYTES"))
    return table(header, rows, right=right, width=width, mark=mark)


def hparams_line(hparams: Sequence[Json]) -> str | None:
    """Return `rate = 0.1, optimizer = adam`; None where there are none."""
    return ", ".join(f"{clean(one['name'])} = {_setting(one['value'])}" for one in hparams) or None


def hparams_lines(
    jobs: Sequence[int | str], hparams: Sequence[Sequence[Json]], *, width: int | None = None, mark: str = "…"
) -> list[str]:
    """Return a table of the hyperparameters in which jobs differ, and how many are the same; nothing without any."""
    by_job = [{one["name"]: one["value"] for one in given} for given in hparams]
    names = sorted({name for given in by_job for name in given})
    missing = object()
    differ = [
        name for name in names if any(given.get(name, missing) != by_job[0].get(name, missing) for given in by_job)
    ]
    rows = [(clean(name), *(_setting(given[name]) if name in given else "-" for given in by_job)) for name in differ]
    header = ("HYPERPARAMETER", *(f"JOB {job}" for job in jobs))
    lines = table(header, rows, right=frozenset(header[1:]), width=width, mark=mark) if rows else []
    same = len(names) - len(differ)
    return [*lines, f"{plural(same, 'hyperparameter')} the same in all."] if same else lines


def _where(one: Json) -> str:
    run = "" if one["run"] == "." else f", run {clean(one['run'])}"
    rank = f", rank {one['rank']}" if one["rank"] else ""
    return f"{clean(one['tag'])} @ {one['step']}{run}{rank}"


def _setting(value: str | float | bool | None) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return fit(clean(value), _WIDEST_SETTING)
        case _:
            return number(value)
