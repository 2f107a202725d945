"""Fair shares as a table, the tree by indentation."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.text import clean, fit
from gpuq.units import duration, number

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
    return f"! in {duration(back_s)}" if back_s > 0 else ""
