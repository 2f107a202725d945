"""Snapshots as bytes: for a process beside gpuqd that plays them forward, and for the record of passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Snapshot
from gpuq_daemon.policy.tiers.settings import TierState


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that decides a pass: the snapshot, and what is kept for jobs that others were stopped for, by job."""

    snapshot: Snapshot
    reserved: Mapping[int, ActiveJob]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A job that has ended: as it was queued, and how long it ran."""

    job: PendingJob
    ran_s: float


def plain(snapshot: Snapshot) -> Snapshot:
    """Return the same snapshot with everything in it that is found when asked for put into dictionaries."""
    tiers: TierState = replace(snapshot.tiers, owed=dict(snapshot.tiers.owed))
    return replace(snapshot, tiers=tiers, promises=dict(snapshot.promises), fates=dict(snapshot.fates))


def packed(value: object) -> bytes:
    """Return values as bytes; snapshots have to be `plain`."""
    return msgspec.msgpack.encode(value)
