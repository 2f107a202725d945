"""Checkpoints, what they hold, and how the numbers of a variable are distributed."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.text import clean, fit
from gpuq.units import moment, number, plural, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_BLOCKS = " ▏▎▍▌▋▊▉█"


def checkpoint_lines(checkpoints: Sequence[Json]) -> list[str]:
    """Return one line a checkpoint, in the order of the steps."""
    if not checkpoints:
        return ["No checkpoints yet: the script saves them in the folder that $GPUQ_CHECKPOINT_DIR names."]
    rows = [
        (step_of(one), clean(one["name"]), one["format"], size(one["bytes"]), moment(one["saved_at"]))
        for one in checkpoints
    ]
    return table(("STEP", "NAME", "FORMAT", "SIZE", "SAVED"), rows, right=frozenset({"STEP", "SIZE"}))


def step_of(checkpoint: Json) -> str:
    """Return the step of a checkpoint; "save 3" where its name only counts saves, "-" where nothing tells."""
    if checkpoint["step"] is not None:
        return str(checkpoint["step"])
    return "-" if checkpoint["save"] is None else f"save {checkpoint['save']}"


def contents_lines(contents: Json) -> list[str]:
    """Return what a checkpoint holds, a line a variable, below what it is."""
    checkpoint, weights = contents["checkpoint"], contents["weights"]
    rows = [(clean(one["name"]), _shape(one), one["dtype"], size(one["bytes"])) for one in weights]
    lines = table(("NAME", "SHAPE", "TYPE", "SIZE"), rows, right=frozenset({"SIZE"}))
    total = plural(len(weights), "variable")
    return [f"{_named(checkpoint)}: {total}, {size(checkpoint['bytes'])}, {moment(checkpoint['saved_at'])}", *lines]


def distribution_lines(found: Json, width: int, is_ascii: bool) -> list[str]:
    """Return what the numbers of a variable come to, and their histogram, in lines of at most `width` columns."""
    weights, minus = found["weights"], found["minus"]
    of = f"{_named(found['checkpoint'])} minus {_named(minus)}" if minus else _named(found["checkpoint"])
    head = [
        fit(f"{clean(weights['name'])} {_shape(weights)} {weights['dtype']}, {of}", width),
        "mean {}  std {}  min {}  max {}".format(*(number(found[word]) for word in ("mean", "std", "low", "high"))),
        f"{plural(found['count'], 'number')}: {found['zeros']} zero, "
        f"{found['nans']} NaN, {found['infinities']} infinite",
    ]
    return [*head, *_bars(found, width, is_ascii)] if found["finite"] else head


def _bars(found: Json, width: int, is_ascii: bool) -> list[str]:
    counts, low, high = found["counts"], found["low"], found["high"]
    if low == high:
        return [f"all of them {number(low)}"]
    edges = [number(low + (high - low) * i / len(counts)) for i in range(len(counts))]
    labels, most = max(map(len, edges)), max(counts)
    room = max(8, width - labels - len(str(most)) - 3)
    return [
        f"{edge:>{labels}} {_bar(count / most * room, room, is_ascii)} {count}"
        for edge, count in zip(edges, counts, strict=True)
    ]


def _bar(length: float, room: int, is_ascii: bool) -> str:
    if is_ascii:
        return ("#" * max(round(length), 1 if length else 0)).ljust(room)
    eighths = max(round(length * 8), 1 if length else 0)
    return ("█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()).ljust(room)


def _named(checkpoint: Json) -> str:
    known = (f"{word} {checkpoint[word]}" for word in ("step", "save") if checkpoint[word] is not None)
    said = ", ".join(known)
    return f"{clean(checkpoint['name'])} ({said})" if said else clean(checkpoint["name"])


def _shape(weights: Json) -> str:
    return "(" + ", ".join(map(str, weights["shape"])) + ")"
