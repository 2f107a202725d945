"""Lines in a grid of character cells, put where plotext puts them, in a tenth of its time. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Cell = tuple[int, int]  # row from the bottom, column
BRAILLE = "braille"
_BLANK = 0x2800
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Dots of a cell by column, then from the bottom. Source: Unicode, Braille Patterns."""
_HALF = 0.5 + 5e-9  # plotext rounds to eight digits before it rounds down


def polyline(xs: Sequence[float], ys: Sequence[float], size: tuple[int, int], marker: str) -> dict[Cell, str]:
    """Return the letters of a line through points in [0, 1], in a grid of `size` columns and rows.

    With the marker `BRAILLE` there are two by four dots in a cell; any other stands for itself.
    """
    columns, rows = size
    if marker != BRAILLE:
        return dict.fromkeys(((y, x) for x, y in _line(_places(xs, columns), _places(ys, rows))), marker)
    dots: dict[Cell, int] = {}
    for x, y in _line(_places(xs, 2 * columns), _places(ys, 4 * rows)):
        cell = y >> 2, x >> 1
        dots[cell] = dots.get(cell, 0) | _DOTS[x & 1][y & 3]
    return {cell: chr(_BLANK + bits) for cell, bits in dots.items()}


def points(xs: Sequence[float], ys: Sequence[float], size: tuple[int, int], marker: str) -> dict[Cell, str]:
    """Return the letters of points that no line joins."""
    return dict.fromkeys(zip(_places(ys, size[1]), _places(xs, size[0]), strict=True), marker)


def _places(values: Sequence[float], count: int) -> list[int]:
    return [int((count - 1) * value + _HALF) for value in values]


def _line(xs: list[int], ys: list[int]) -> Iterator[Cell]:
    """Yield what lies on the way from each point to the next, and the last one."""
    for x0, y0, x1, y1 in zip(xs, ys, xs[1:], ys[1:], strict=False):
        steps = max(abs(x1 - x0), abs(y1 - y0))
        if x0 == x1:
            down = -1 if y1 < y0 else 1
            for y in range(y0, y1, down):
                yield x0, y
        elif steps == 1:
            yield x0, y0
        else:
            along, up = (x1 - x0) / steps, (y1 - y0) / steps
            for i in range(steps):
                yield int(x0 + i * along), int(y0 + i * up)
    if xs:
        yield xs[-1], ys[-1]
