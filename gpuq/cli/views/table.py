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
    columns = [
        _column([name, *cells], None if width is None else (widest or {}).get(name), name in right, mark)
        for name, cells in zip(header, zip(*rows, strict=True) if rows else ((),) * len(header), strict=True)
    ]
    lines = [_SPACE.join(row).rstrip() for row in zip(*columns, strict=True)]
    return lines if width is None else [fit(line, width, mark=mark) for line in lines]


def _column(cells: list[str], limit: int | None, is_right: bool, mark: str) -> list[str]:
    """Return cells cleaned, cut and padded to one width; what is plain ASCII is seen to be so at once."""
    together = "".join(cells)
    if not together.isprintable():
        cells = [clean(cell) for cell in cells]
    if not together.isascii():
        cells = cells if limit is None else [fit(cell, limit, mark=mark) for cell in cells]
        most = max(display_width(cell) for cell in cells)
        return [pad(cell, most, right=is_right) for cell in cells]
    most = max(map(len, cells))
    if limit is not None and most > limit:
        cells, most = [fit(cell, limit, mark=mark) for cell in cells], limit
    return [cell.rjust(most) for cell in cells] if is_right else [cell.ljust(most) for cell in cells]


def facts(pairs: Sequence[tuple[str, str | None]]) -> list[str]:
    """Return `key  value` lines, keys padded alike; pairs whose value is None are left out."""
    known = [(key, clean(value)) for key, value in pairs if value is not None]
    widest = max((len(key) for key, _ in known), default=0)
    return [f"{key:<{widest}}{_SPACE}{value}".rstrip() for key, value in known]
