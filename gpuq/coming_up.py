"""What a job that is starting waits for: how many of its nodes are there, and which are not."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def coming_up(wanted: int, nodes: Sequence[str], there: Sequence[str | None]) -> str:
    """Return `2 of 3 nodes reserved, waiting for executor on HOST`.

    `wanted` is how many ranks it has, `nodes` are those that it was given, `there` the nodes of the ranks that TFoS has
    reserved (None for one that has not told).
    """
    so_far = f"{len(there)} of {wanted} nodes reserved"
    if len(there) >= wanted:
        return f"{so_far}, none runs the function yet"
    missing = [node for node in nodes if node not in there]
    if not missing or None in there:
        return f"{so_far}, waiting for {wanted - len(there)} more"
    return f"{so_far}, waiting for executor on {', '.join(missing)}"
