"""Jobs that have ended, as a table."""

from __future__ import annotations

import time

from gpuq.cli.views.queue import shown_id
from gpuq.cli.views.table import table
from gpuq.states import SHORT_STATES
from gpuq.text import clean
from gpuq.units import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json

_HEADER = ("JOB", "NAME", "USER", "ACCOUNT", "ST", "EXIT", "GPU", "RAN", "GPU-H", "ENDED", "ERROR")


def history_lines(found: Json, *, width: int | None, mark: str = "…") -> list[str]:
    """Return one line a job, in the order given; RAN is from its start to its end, `-` if it never started."""
    rows = [_row(dict(zip(found["columns"], row, strict=True))) for row in found["rows"]]
    if not rows:
        return ["No job that has ended fits."]
    right = frozenset({"JOB", "EXIT", "GPU", "RAN", "GPU-H"})
    lines = table(_HEADER, rows, right=right, width=width, widest={"NAME": 24, "USER": 12, "ACCOUNT": 12}, mark=mark)
    if found["next_cursor"] is not None:
        lines.append(clean(f"More: --cursor {found['next_cursor']}"))
    return lines


def _row(job: Json) -> tuple[str, ...]:
    ran = None if job["started_at"] is None else job["ended_at"] - job["started_at"]
    return (
        shown_id(job),
        job["name"],
        job["user"],
        job["account"],
        SHORT_STATES.get(str(job["state"]), str(job["state"])),
        "-" if job["exit_code"] is None or ran is None else str(job["exit_code"]),
        str(job["gpus"]),
        "-" if ran is None else duration(ran),
        f"{job['charged_gpu_s'] / 3600:.1f}",
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job["ended_at"])),
        job["error"] or "",
    )
