"""Which GPUs are to be told of: those that are otherwise than they were told, as whole rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpuq.gpus import Gpu
from gpuq_daemon.policy.gpu_map import appearance, without_others

Key = tuple[str, int]  # node, place


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuChange:
    """The GPUs of one user's jobs that have changed, or (`user` None) those of nobody's, with those that are gone.

    `as_others` is what they are told who may not see that user's jobs, None where that is the same: whose processes are
    on GPUs that are nobody's is not for all either.
    """

    user: str | None
    as_owner: Mapping[str, Any]
    as_others: Mapping[str, Any] | None


def told_gpus(before: Mapping[Key, Gpu], after: Sequence[Gpu]) -> tuple[list[GpuChange], dict[Key, Gpu]]:
    """Return what is to be told, and the GPUs as they are told then: one that has hardly changed stays as it was."""
    told = dict[Key, Gpu]()
    changed = dict[str | None, list[Gpu]]()
    for gpu in after:
        key = (gpu.node, gpu.place)
        known = before.get(key)
        if known is not None and appearance(known) == appearance(gpu):
            told[key] = known
        else:
            told[key] = gpu
            changed.setdefault(gpu.user, []).append(gpu)
    gone = [{"node": node, "place": place} for node, place in before if (node, place) not in told]
    if gone:
        changed.setdefault(None, [])
    return [_change(user, gpus, gone if user is None else []) for user, gpus in changed.items()], told


def _change(user: str | None, gpus: list[Gpu], gone: list[dict[str, Any]]) -> GpuChange:
    as_owner = {"gpus": gpus, "gone": gone, "is_whole": False}
    is_same = user is None and not any(gpu.strangers for gpu in gpus)
    as_others = None if is_same else {**as_owner, "gpus": [without_others(gpu) for gpu in gpus]}
    return GpuChange(user=user, as_owner=as_owner, as_others=as_others)
