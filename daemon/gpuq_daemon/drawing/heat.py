"""Distributions over steps as a picture: steps go across, values up, and the fuller a bin the darker."""

from __future__ import annotations

from math import sqrt

from gpuq.summaries import HeatMap
from gpuq_daemon.drawing.figure import Area, Figure, Label, Shape
from gpuq_daemon.drawing.frame import Frame

_PALE, _DARK = (0xE8, 0xF1, 0xFA), (0x0B, 0x2F, 0x5E)


def draw(found: HeatMap, title: str, width: int, height: int) -> Figure:
    """Return the picture; shades go by the root of a bin's share of its step, so that thin tails are seen."""
    if found.low is None or found.high is None:
        label = Label(at=(width / 2, height / 2), text="nothing that can be drawn", anchor="middle")
        return Figure(width=width, height=height, title=title, shapes=(label,))
    low, high = (found.low, found.high) if found.low < found.high else (found.low - 0.5, found.low + 0.5)
    count = len(found.steps)
    frame = Frame(width=width, height=height, x_range=(0.0, float(count)), y_range=(low, high))
    cells: list[Shape] = []
    most = max((max(counts) / sum(counts) for counts in found.counts if sum(counts) > 0), default=1.0)
    for index, counts in enumerate(found.counts):
        total = sum(counts)
        left, right = frame.across([index, index + 1.0])
        for k, inside in enumerate(counts):
            if inside > 0:
                bottom, top = frame.up(
                    [low + (high - low) * k / len(counts), low + (high - low) * (k + 1) / len(counts)]
                )
                cells.append(
                    Area(
                        places=((left, top), (right, top), (right, bottom), (left, bottom)),
                        color=shade(inside / total / most),
                    )
                )
    every = max(1, count // max(2, width // 110))
    # each step has a column of the same width, however far they are apart
    steps = [(i + 0.5, str(found.steps[i])) for i in range(0, count, every)]
    shapes = (*frame.shapes(title, steps, frame.y_axis()), *cells)
    return Figure(width=width, height=height, title=title, shapes=shapes)


def shade(share: float) -> str:
    """Return the colour of a bin, given its share as a part in [0, 1] of the largest share there is."""
    root = sqrt(min(max(share, 0.0), 1.0))
    return "#" + "".join(f"{round(p + (d - p) * root):02x}" for p, d in zip(_PALE, _DARK, strict=True))
