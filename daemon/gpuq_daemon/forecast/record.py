"""Passes on record: each scene whole, or what of it is other than in the one before; as bytes, and back exactly."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import msgspec

from gpuq_daemon.forecast.packing import Scene, packed
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Plan, Preemption, Snapshot, Start

_ONE_BY_ONE = ("pending", "active")
_WORLD = tuple(field.name for field in fields(Snapshot) if field.name not in _ONE_BY_ONE)
J = TypeVar("J", PendingJob, ActiveJob)
_MOST_BYTES = 512 * 1024 * 1024  # of a scene, unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a pass decided."""

    starts: tuple[Start, ...] = ()
    preemptions: tuple[Preemption, ...] = ()
    expired: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a snapshot has besides its jobs, as far as it is other than before: None is as before."""

    values: Snapshot
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What makes a scene of the one before: jobs that are gone, then those that came or are other, in order."""

    world: World
    pending_gone: tuple[int, ...]
    pending_new: tuple[PendingJob, ...]
    active_gone: tuple[int, ...]
    active_new: tuple[ActiveJob, ...]
    reserved: Mapping[int, ActiveJob]


def decided_of(plan: Plan) -> Decided:
    """Return what of a plan is carried out."""
    return Decided(starts=plan.starts, preemptions=plan.preemptions, expired=plan.expired)


def difference(before: Scene, after: Scene) -> Difference | None:
    """Return what makes `after` of `before`; None where jobs are in another order, which may matter."""
    old, new = before.snapshot, after.snapshot
    names = tuple(name for name in _WORLD if not _is_same(getattr(old, name), getattr(new, name)))
    # What is as before stands in here as nothing at all.
    empty = Snapshot(now=new.now, nodes=(), pending=(), active=())
    values = replace(empty, **{name: getattr(new, name) for name in names})
    pending, active = _apart(old.pending, new.pending), _apart(old.active, new.active)
    if pending is None or active is None:
        return None
    return Difference(
        world=World(values=values, names=names),
        pending_gone=pending[0],
        pending_new=pending[1],
        active_gone=active[0],
        active_new=active[1],
        reserved=after.reserved,
    )


def applied(before: Scene, change: Difference) -> Scene:
    """Return the scene that a difference makes of the one before."""
    there = before.snapshot
    world = {name: getattr(change.world.values, name) for name in change.world.names}
    snapshot = replace(
        there,
        **world,
        pending=_together(there.pending, change.pending_gone, change.pending_new),
        active=_together(there.active, change.active_gone, change.active_new),
    )
    return Scene(snapshot=snapshot, reserved=change.reserved)


def small(value: object) -> bytes:
    """Return a value as few bytes."""
    return zlib.compress(packed(value), 6)


def scene_of(whole: bytes, changes: Iterable[bytes]) -> Scene:
    """Return a scene from a whole one and the differences after it.

    Raises:
        ValueError: these are no such bytes.
    """
    scene = msgspec.msgpack.decode(_large(whole), type=Scene)
    for change in changes:
        scene = applied(scene, msgspec.msgpack.decode(_large(change), type=Difference))
    return scene


def decision_of(data: bytes) -> Decided:
    """Return what a pass decided.

    Raises:
        ValueError: these are no such bytes.
    """
    return msgspec.msgpack.decode(_large(data), type=Decided)


def _large(data: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError("a scene on record is damaged") from error
    if not unpacking.eof:
        raise ValueError("a scene on record is cut off, or too large")
    return found


def _is_same(old: object, new: object) -> bool:
    return old is new or old == new


def _apart(old: Sequence[J], new: Sequence[J]) -> tuple[tuple[int, ...], tuple[J, ...]] | None:
    there = {job.job_id: job for job in new}
    gone = tuple(job.job_id for job in old if (now := there.get(job.job_id)) is None or not _is_same(job, now))
    left = {job.job_id for job in old}.difference(gone)
    came = tuple(job for job in new if job.job_id not in left)
    is_in_order = [job.job_id for job in _together(tuple(old), gone, came)] == [job.job_id for job in new]
    return (gone, came) if is_in_order else None


def _together(old: tuple[J, ...], gone: Iterable[int], new: tuple[J, ...]) -> tuple[J, ...]:
    out = frozenset(gone)
    return (*(job for job in old if job.job_id not in out), *new)
