"""Distributions over steps as text: a heat map, or a ridge a step."""

from __future__ import annotations

from math import sqrt

from gpuq.scale import tick_labels
from gpuq.text import clean, fit
from gpuq.units import number, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_SHADES, _ASCII_SHADES = " ░▒▓█", " .:-=+*#%@"
_RIDGES = " ▁▂▃▄▅▆▇█"


def map_lines(found: Json, width: int, *, is_ascii: bool) -> list[str]:
    """Return steps across, bins up, the fuller the darker by the root of a bin's share, in lines of at most `width`.

    Each step has columns of its own, however far steps are apart.
    """
    head = [_head(found, width)]
    if found["low"] is None:
        return [*head, "no numbers"]
    labels = _bin_labels(found)
    room = max(8, width - max(map(len, labels)) - 1)
    columns = _spread(found["counts"], room)
    most = max(max(_shares(column)) for _, column in columns) or 1.0
    shades = _ASCII_SHADES if is_ascii else _SHADES
    rows = [
        f"{label:>{max(map(len, labels))}} "
        + "".join(_shade(_shares(column)[k] / most, shades) for _, column in columns).rstrip()
        for k, label in enumerate(labels)
    ]
    below = _steps_line([found["steps"][i] for i, _ in columns])
    return [*head, *(row.rstrip() for row in reversed(rows)), " " * (max(map(len, labels)) + 1) + below]


def ridge_lines(found: Json, width: int, *, is_ascii: bool) -> list[str]:
    """Return a line a step, the newest first: bins across, the fuller the higher."""
    head = [_head(found, width)]
    if found["low"] is None:
        return [*head, "no numbers"]
    heights = _ASCII_SHADES if is_ascii else _RIDGES
    label = max(len(str(step)) for step in found["steps"])
    most = max((max(_shares(counts)) for counts in found["counts"]), default=0.0) or 1.0
    rows = [
        f"{step:>{label}} " + "".join(_shade(share / most, heights, is_root=False) for share in _shares(counts))
        for step, counts in zip(found["steps"], found["counts"], strict=True)
    ]
    low, high = number(found["low"]), number(found["high"])
    bins = len(found["counts"][0])
    ends = low + " " * max(1, bins - len(low) - len(high)) + high
    return [*head, *(row.rstrip() for row in reversed(rows)), " " * (label + 1) + ends]


def room_for(width: int, *, is_ridges: bool) -> int:
    """Return how many steps a map of `width`, or bins a ridge, has room for."""
    return max(8, width - (12 if is_ridges else 10))


def _head(found: Json, width: int) -> str:
    series = found["series"]
    told = f"job {series['job_id']}: {clean(series['tag'])}, {plural(series['count'], 'step')}"
    if found["low"] is not None:
        told += f", from {number(found['low'])} to {number(found['high'])}"
    return fit(told, width, mark="~")


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts] if total > 0 else [0.0] * len(counts)


def _shade(share: float, shades: str, *, is_root: bool = True) -> str:
    """Return a sign for a share in [0, 1]; what is not empty is seen."""
    if share <= 0:
        return shades[0]
    strength = sqrt(share) if is_root else share
    return shades[max(1, min(len(shades) - 1, round(strength * (len(shades) - 1))))]


def _spread(counts: Sequence[Sequence[float]], room: int) -> list[tuple[int, Sequence[float]]]:
    """Return for each column on the screen which step it shows."""
    shown = counts[:room]
    each = max(1, room // len(shown))
    return [(i, column) for i, column in enumerate(shown) for _ in range(each)]


def _bin_labels(found: Json) -> list[str]:
    """Return the lower edges of some bins."""
    low, high, bins = found["low"], found["high"], len(found["counts"][0])
    every = max(1, bins // 6)
    edges = [low + (high - low) * k / bins for k in range(0, bins, every)]
    told = tick_labels(edges) if high > low else [number(low)] * len(edges)
    return [told[k // every] if k % every == 0 else "" for k in range(bins)]


def _steps_line(steps: Sequence[int]) -> str:
    """Return the steps below their columns, as many as there is room for."""
    line, place, before = "", 0, None
    while place < len(steps):
        if steps[place] == before:
            place += 1
            continue
        before, told = steps[place], str(steps[place])
        if place + len(told) > len(steps) and line:
            break
        line = line.ljust(place) + told
        place = max(place + 14, len(line) + 2)
    return line
