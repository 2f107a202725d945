"""Which scalar stands for a job in a list of jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gpuq.summaries import SAMPLED, Series, SeriesKind

_VALIDATION = re.compile(r"(?:^|[^a-z])(?:val|valid|validation|eval|evaluation|test)(?:[^a-z]|$)")


def standing_for(series: Iterable[Series]) -> Series | None:
    """Return the series that stands for the job, or None without scalars.

    A loss comes before everything else, training before validation, the plainest name first ("loss", then
    "epoch_loss", then "loss_of_something"); per-epoch before per-batch, which some writers sum over replicas.
    Without a loss it is the first tag that was written. What gpuq itself samples stands for nothing.
    """
    scalars = [s for s in series if s.kind is SeriesKind.SCALAR and s.run != SAMPLED]
    losses = [s for s in scalars if is_loss(s.tag)]
    if losses:
        return min(losses, key=_loss_order)
    return min(scalars, key=lambda s: s.rank, default=None)


def is_loss(tag: str) -> bool:
    """Whether a scalar is a loss, by the last part of its tag."""
    return "loss" in _name(tag)


def _loss_order(series: Series) -> tuple[bool, int, int, str, str]:
    name = _name(series.tag)
    is_validation = bool(_VALIDATION.search(f"{series.run}/{series.tag}".lower()))
    plainness = 0 if name == "loss" else 1 if re.fullmatch(r"(epoch|train|training|total)_loss", name) else 2
    return is_validation, plainness, series.rank, series.run, series.tag


def _name(tag: str) -> str:
    return tag.rsplit("/", 1)[-1].lower()
