"""Which GPUs each rank of an attempt has, chosen by gpuqd from what no other attempt has. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The place of one rank: its node and the addresses of its GPUs."""

    node: str
    gpus: tuple[str, ...]


def seated(
    workers: int,
    gpus_per_worker: int,
    given: Mapping[str, int],
    free: Mapping[str, Collection[str]],
) -> tuple[Seat, ...] | None:
    """Return a seat for each worker, None if there are too few GPUs on the nodes.

    `given` are the nodes and how many GPUs on each, nothing for any node; `free` are addresses that nobody has, by
    node.
    """
    nodes = given or {node: len(addresses) for node, addresses in free.items()}
    found: list[Seat] = []
    for node, count in nodes.items():
        addresses = list(free.get(node, ()))[:count]
        room = len(addresses) // gpus_per_worker if gpus_per_worker else workers
        found += [
            Seat(node=node, gpus=tuple(addresses[number * gpus_per_worker :][:gpus_per_worker]))
            for number in range(min(room, workers - len(found)))
        ]
    return tuple(found) if len(found) == workers else None
