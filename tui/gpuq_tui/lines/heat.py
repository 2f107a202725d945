"""Distributions as lines: over the steps of a training, and of the variables of a checkpoint."""

from __future__ import annotations

from typing import Any

from gpuq.cli.views.checkpoint import distribution_lines
from gpuq.cli.views.heat import map_lines, ridge_lines
from gpuq_tui.lines.line import Line, Look, Tone, line

_AROUND_MAP = 2  # lines above and below the bins
_AROUND_BARS = 3


def bins_in(height: int, kind: str) -> int:
    """Return how many bins have room in so many rows."""
    return max(4, min(200, height - (_AROUND_MAP if kind == "histograms" else _AROUND_BARS)))


def heat_lines(found: dict[str, Any], *, width: int, look: Look, is_ridges: bool) -> list[Line]:
    """Return distributions over steps, as `gpuq histogram` draws them; `found` is of clean text."""
    draw = ridge_lines if is_ridges else map_lines
    first, *rows = draw(found, width, is_ascii=look.is_ascii)
    return [line(first, Tone.DIM), *map(line, rows)]


def weights_lines(found: dict[str, Any], *, width: int, look: Look) -> list[Line]:
    """Return how the numbers of a variable are distributed, as `gpuq weights` draws them."""
    head, stats, counted, *bars = distribution_lines(found, width, look.is_ascii)
    return [line(head, Tone.DIM), line(stats), line(counted, Tone.DIM), *map(line, bars)]
