"""Plain aligned columns."""

from __future__ import annotations

from gpuq.text import clean, display_width, fit, pad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SPACE = "  "


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[str] = frozenset(),
    width: int | None = None,
    widest: dict[str, int] | None = None,
    mark: str = "…",
) -> list[str]:
    """Return header and rows as lines of equal columns, cleaned, at most `width` cells (None: not cut).

    Columns in `right` stand right. Where there is a `width`, columns in `widest` are cut to so many cells and
    the last one takes what is left; `mark` shows a cut.
    """
    cells = [list(header)] + [[clean(cell) for cell in row] for row in rows]
    limits = [(widest or {}).get(name) if width is not None else None for name in header]
    cells = [
        [cell if limit is None else fit(cell, limit, mark=mark) for cell, limit in zip(row, limits, strict=True)]
        for row in cells
    ]
    widths = [max(display_width(row[i]) for row in cells) for i in range(len(header))]
    sides = [name in right for name in header]
    lines = [
        _SPACE.join(pad(c, w, right=s) for c, w, s in zip(row, widths, sides, strict=True)).rstrip() for row in cells
    ]
    return lines if width is None else [fit(line, width, mark=mark) for line in lines]


def facts(pairs: Sequence[tuple[str, str | None]]) -> list[str]:
    """Return `key  value` lines, keys padded alike; pairs whose value is None are left out."""
    known = [(key, clean(value)) for key, value in pairs if value is not None]
    widest = max((len(key) for key, _ in known), default=0)
    return [f"{key:<{widest}}{_SPACE}{value}".rstrip() for key, value in known]
