"""Fair shares as a table, the tree by indentation."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.text import clean, fit
from gpuq.units import duration, number, roughly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_HEADER = ("ACCOUNT", "USER", "SHARES", "USAGE h", "USED", "DUE", "LEVEL FS", "RANK", "FACTOR", "BACK TO DUE")
_RIGHT = frozenset(_HEADER[2:-1])
OPEN = "Nobody is in any account yet: everybody may queue, all alike. `gpuq admin user add` changes that."


def share_lines(answer: Json, *, width: int | None, mark: str = "…") -> list[str]:
    """Return one line an account or user, in the order given; `!` marks who has used more than is due."""
    rows = [_row(row) for row in answer["shares"]]
    lines = table(_HEADER, rows, right=_RIGHT, width=width, widest={"ACCOUNT": 24, "USER": 16}, mark=mark)
    if answer["is_open"]:
        lines.append(OPEN if width is None else fit(OPEN, width, mark=mark))
    return lines


def ledger_lines(answer: Json, *, width: int | None, mark: str = "…") -> list[str]:
    """Return what each account and user lent and borrowed, then who held GPUs for nothing."""
    half = duration(answer["half_life_s"])
    what = "halves every" if answer["is_tiered"] else "is usage under and over what was due, and halves every"
    rows = [
        (
            row["account"] if row["user"] is None else "",
            row["user"] or "",
            _hours(row["lent_gpu_s"]),
            _hours(row["borrowed_gpu_s"]),
            f"{row['rate_gpus']:+.1f}" if row["rate_gpus"] else "-",
            "-" if row["gone_in_s"] is None else duration(row["gone_in_s"]),
        )
        for row in answer["lent"]
    ]
    header = ("ACCOUNT", "USER", "LENT GPU-h", "BORROWED GPU-h", "NOW GPUs", "GONE IN")
    right = frozenset(header[2:])
    widest = {"ACCOUNT": 24, "USER": 16}
    lines = [f"What was lent {what} {half}."] if rows else ["Nobody has lent or borrowed anything."]
    lines += table(header, rows, right=right, width=width, widest=widest, mark=mark) if rows else []
    wasted = [
        (
            row["user"],
            row["account"],
            *(_hours(row[f"{name}_gpu_s"]) for name in ("held", "failed", "idle", "restarts")),
            _part(row),
        )
        for row in answer["wasted"]
    ]
    if wasted:
        header = ("USER", "ACCOUNT", "HELD GPU-h", "FAILED", "IDLE", "RESTARTS", "FOR NOTHING")
        lines += ["", *table(header, wasted, right=frozenset(header[2:]), width=width, widest=widest, mark=mark)]
    return [line if width is None else fit(line, width, mark=mark) for line in lines]


def _part(row: Json) -> str:
    wasted = row["failed_gpu_s"] + row["idle_gpu_s"] + row["restarts_gpu_s"]
    return f"{wasted / row['held_gpu_s']:.1%}" if row["held_gpu_s"] else "-"


def _hours(gpu_s: float) -> str:
    return f"{gpu_s / 3600:.2f}" if gpu_s else "-"


def _row(row: Json) -> Sequence[str]:
    is_root = row["depth"] == 0 and row["account"] == "root"
    return (
        "  " * row["depth"] + clean(row["account"]) if row["user"] is None else "",
        row["user"] or "",
        "-" if is_root else shares_text(row["shares"]),
        f"{row['usage'] / 3600:.1f}",
        "-" if is_root else f"{row['used']:.1%}",
        "-" if is_root else f"{row['due']:.1%}",
        "inf" if row["is_first"] else number(row["level_fs"]),
        "-" if row["rank"] is None else str(row["rank"]),
        "-" if row["factor"] is None else f"{row['factor']:.4f}",
        back_text(row["back_s"]),
    )


def shares_text(shares: int | None) -> str:
    """Return shares as operators write them."""
    return "parent" if shares is None else str(shares)


def back_text(back_s: float | None) -> str:
    """Return when who is over its due is back to it; empty for who is not over."""
    if back_s is None:
        return "! never"
    return f"! in {roughly(back_s)}" if back_s > 0 else ""
