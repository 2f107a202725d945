"""Keeps an application's executors on the nodes it was given, though Spark Standalone chooses where they go.

Beside its GPUs each worker offers a resource for every set of nodes that it is one of. An application that was given
some of the nodes asks for the resource of just that set, which no other worker has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations

PLACES = 64  # addresses of each such resource: as many executors as a worker takes at most
_MOST_NODES = 6  # of more nodes there are too many sets: only single ones are told apart


def offered(node: int, nodes: int) -> tuple[str, ...]:
    """Return the resources that node number `node` of `nodes` (from 0) offers."""
    sizes = range(1, nodes if nodes <= _MOST_NODES else 2)
    return tuple(_name(chosen) for size in sizes for chosen in combinations(range(nodes), size) if node in chosen)


def wanted(given: Collection[int], nodes: int) -> str | None:
    """Return the resource that confines an application to the nodes `given`; None where nothing does, or need be."""
    if not given or len(given) >= nodes or (len(given) > 1 and nodes > _MOST_NODES):
        return None
    return _name(tuple(sorted(given)))


def confining(given: Collection[str], offered: Mapping[str, Collection[str]], within: Collection[str]) -> str | None:
    """Return the resource that keeps an application on the nodes `given`, or else `within` a larger set, or None.

    `offered` are the resources of every node of a cluster that somebody else has set up.
    """
    holders: dict[str, set[str]] = {}
    for node, resources in offered.items():
        for resource in resources:
            holders.setdefault(resource, set()).add(node)
    fit = [(len(its), resource) for resource, its in holders.items() if set(given) <= its <= set(within)]
    return min(fit)[1] if fit else None


def _name(chosen: tuple[int, ...]) -> str:
    return "on" + "-".join(str(node) for node in chosen)
