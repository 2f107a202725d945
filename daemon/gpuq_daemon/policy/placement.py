"""Where the workers of a gang go, among nodes that can take some: all of them, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gpuq_daemon.policy.gang import Gang, Layout


class Candidate(NamedTuple):
    """A node that can take `fits` workers (at least one) and has `free` GPUs. Ordered: fullest first."""

    free: int
    node: int
    fits: int


def choose(candidates: Sequence[Candidate], gang: Gang) -> dict[int, int] | None:
    """Return workers by node, or None if the gang does not fit. `candidates` are in their order."""
    if sum(one.fits for one in candidates) < gang.workers:
        return None
    if gang.nodes is not None:
        return _on_exactly(candidates, gang.workers, gang.nodes)
    if gang.layout is Layout.SPREAD:
        return _spread(candidates, gang.workers)
    return _packed(candidates, gang.workers)


def _packed(candidates: Sequence[Candidate], workers: int) -> dict[int, int]:
    """Fewest nodes; what fits one node whole goes to the fullest that takes it, so that large holes stay large."""
    placed: dict[int, int] = {}
    left = workers
    for large in sorted(candidates, key=lambda one: (-one.fits, one.free, one.node)):
        if large.fits >= left:
            best = next(one for one in candidates if one.fits >= left and one.node not in placed)
            placed[best.node] = left
            return placed
        placed[large.node] = large.fits
        left -= large.fits
    raise ValueError("fewer places than workers")


def _spread(candidates: Sequence[Candidate], workers: int) -> dict[int, int]:
    """Most nodes: one worker each, the emptiest first, then a second round."""
    by_room = sorted(candidates, key=lambda one: (-one.free, one.node))
    placed: dict[int, int] = {}
    left, turn = workers, 0
    while left:
        turn += 1
        here = [one for one in by_room if one.fits >= turn][:left]
        for one in here:
            placed[one.node] = turn
        left -= len(here)
    return placed


def _on_exactly(candidates: Sequence[Candidate], workers: int, nodes: int) -> dict[int, int] | None:
    """Exactly `nodes` nodes, as even as can be: some take one worker more than the others."""
    each, more = divmod(workers, nodes)
    if not each:
        return None
    large = [one for one in candidates if one.fits > each][:more]
    taken = {one.node for one in large}
    small = [one for one in candidates if one.fits >= each and one.node not in taken][: nodes - more]
    if len(large) < more or len(small) < nodes - more:
        return None
    return {**{one.node: each + 1 for one in large}, **{one.node: each for one in small}}
