"""Which rank of a synchronous training the others wait for. Pure.

In such a training all steps take as long as the slowest rank's, so that nothing is to be seen of whole steps. The time
that is a rank's own (outside of TensorFlow's functions) is what it makes the others wait.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from gpuq.units import number
from gpuq_daemon.series.sampled import Sample, Steps

WINDOW_S = 60.0
FEWEST_SAMPLES = 3
SHARE = 0.3
"""A rank is slow where so much of each step is lost to it: without that, it would be 1/0.7 times as fast."""
LEAST_S = 0.02
"""Less than this a step is noise: a chief writes summaries, a machine is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRank:
    """The rank, its own part of a step, that of the others, and the whole step, in seconds."""

    rank: int
    own_s: float
    others_s: float
    step_s: float
    p95_s: float

    @property
    def text(self) -> str:
        """What is to be told of it."""
        return (
            f"rank {self.rank} holds up the others: {number(self.own_s)} s of each step of {number(self.step_s)} s "
            f"(95 % below {number(self.p95_s)} s) are outside TensorFlow, {number(self.others_s)} s in the others"
        )


@dataclass(slots=True)
class Paces:
    """The newest steps of one attempt's ranks, as samples tell of them."""

    _recent: dict[int, deque[tuple[float, Steps]]] = field(default_factory=dict[int, "deque[tuple[float, Steps]]"])

    def add(self, sample: Sample) -> None:
        """Take in a sample; what is older than a minute is forgotten."""
        if sample.steps is None:
            return
        recent = self._recent.setdefault(sample.rank, deque(maxlen=256))
        recent.append((sample.t, sample.steps))
        while sample.t - recent[0][0] > WINDOW_S:
            recent.popleft()

    def slow(self) -> SlowRank | None:
        """Return the rank that holds up the others most, None where none does or too little is known."""
        told = {rank: [steps for _, steps in r] for rank, r in self._recent.items() if len(r) >= FEWEST_SAMPLES}
        if len(told) < 2:
            return None
        own = {rank: median(one.own_s for one in steps) for rank, steps in told.items()}
        rank = max(own, key=lambda one: own[one])
        others = median(seconds for other, seconds in own.items() if other != rank)
        step_s = median(one.mean_s for one in told[rank])
        if own[rank] - others < max(LEAST_S, SHARE * step_s):
            return None
        return SlowRank(
            rank=rank,
            own_s=own[rank],
            others_s=others,
            step_s=step_s,
            p95_s=median(one.own_p95_s for one in told[rank]),
        )
