"""Lines in cells are where plotext, which draws all around them, would put them."""

from __future__ import annotations

import plotext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.raster import BRAILLE, points, polyline

_PLACES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12)
_SIZES = st.tuples(st.integers(2, 30), st.integers(2, 12))


def _by_plotext(xs: list[float], ys: list[float], size: tuple[int, int], marker: str, *, is_line: bool) -> list[str]:
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)
    plotext.plotsize(*size)
    plotext.xaxes(False, False)
    plotext.yaxes(False, False)
    plotext.xticks([])
    plotext.yticks([])
    plotext.xlim(0.0, 1.0)
    plotext.ylim(0.0, 1.0)
    (plotext.plot if is_line else plotext.scatter)(xs, ys, marker=marker)
    built = str(plotext.uncolorize(plotext.build()))  # pyright: ignore[reportUnknownArgumentType] - it has no types
    return built.rstrip("\n").split("\n")


@settings(max_examples=150, deadline=None)
@given(_PLACES, _SIZES, st.sampled_from([BRAILLE, "o", "#"]), st.booleans())
def test_it_draws_what_plotext_draws(
    places: list[tuple[float, float]], size: tuple[int, int], marker: str, is_line: bool
) -> None:
    xs, ys = [x for x, _ in places], [y for _, y in places]
    marker = marker if is_line else "x"

    cells = (polyline if is_line else points)(xs, ys, size, marker)

    columns, rows = size
    drawn = ["".join(cells.get((row, column), " ") for column in range(columns)) for row in reversed(range(rows))]
    assert drawn == _by_plotext(xs, ys, size, marker, is_line=is_line)


@pytest.mark.parametrize("marker", [BRAILLE, "o"])
def test_of_nothing_nothing_is_drawn(marker: str) -> None:
    assert polyline([], [], (10, 4), marker) == {}
