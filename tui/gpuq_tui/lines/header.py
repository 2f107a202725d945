"""The lines on top of every screen: the cluster, how old the data is, what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gpuq.models import Cluster, JobState
from gpuq.units import moment, plural
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, fit, line
from gpuq_tui.lines.queue import STATE_CODES

HEARTBEAT_S = 5.0  # gpuqd gives a sign of life at least so often
STALE_AFTER_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How gpuqd is heard: when it last was (None: never), and what went wrong since, if anything.

    `paused_at` is the moment that is shown for as long as the user wants it.
    """

    answered_at: float | None = None
    problem: str | None = None
    paused_at: float | None = None

    def age_s(self, now: float) -> float | None:
        """Return how old the data is, in seconds; None if there is none."""
        return None if self.answered_at is None else max(0.0, now - self.answered_at)

    def is_lost(self, now: float) -> bool:
        """Whether what is shown must not be taken for the present."""
        age = self.age_s(now)
        return self.problem is not None or (age is not None and age > STALE_AFTER_S)


def header_lines(
    cluster: Cluster | None, states: Mapping[JobState, int], contact: Contact, *, now: float, width: int, look: Look
) -> list[Line]:
    """Return a line about the cluster and how many jobs are in which state, and one for each thing that is wrong."""
    left = "gpuq" if cluster is None else f"gpuq {cluster.name[:30]}  {gpus(cluster)}"
    counts = {STATE_CODES[state][0]: count for state, count in states.items() if not state.is_final}
    left += "".join(f"  {number} {code}" for code, number in sorted(counts.items(), reverse=True))
    right = _age(contact, now)
    room = max(0, width - len(right) - 1)
    first: Line = ((fit(left, room, look), Tone.STRONG), (" " + right, Tone.PLAIN))
    return [
        first,
        *(line(fit("! " + text, width, look), Tone.BAD) for text in problems(cluster, contact, now)),
    ]


def gpus(cluster: Cluster) -> str:
    """Return how many GPUs of each kind are busy, e.g. "2 of 2 virtual GPUs busy"; nodes that are down are named."""
    busy, total = Counter[str](), Counter[str]()
    for node in cluster.nodes:
        if node.is_up:
            total[node.gpu_kind] += node.gpus
            busy[node.gpu_kind] += node.gpus - node.free_gpus
    parts = [f"{busy[kind]} of {plural(total[kind], kind[:30])} busy" for kind in total]
    down = sum(not node.is_up for node in cluster.nodes)
    if down:
        parts.append(f"{plural(down, 'node')} down")
    return "  ".join(parts) or "no nodes"


def problems(cluster: Cluster | None, contact: Contact, now: float) -> list[str]:
    """Return what is wrong, worst first."""
    found: list[str] = []
    age = contact.age_s(now)
    if contact.is_lost(now):
        is_counted = age is not None and contact.paused_at is None
        since = f" ({short(age)} ago)" if age is not None and is_counted else ""
        why = contact.problem or "still waiting"
        same = "gpuqd does not answer"
        found.append(f"{same}{since}{why.removeprefix(same) if why.startswith(same) else ': ' + why}")
    if cluster is not None and not cluster.engine_ok:
        found.append(f"engine: {cluster.engine_message or 'down'}")
    return found


def _age(contact: Contact, now: float) -> str:
    """Return how old the data is. Live data is at most so old: a number that counts would never rest."""
    if contact.paused_at is not None:
        return f"PAUSED at {moment(contact.paused_at).split(' ')[1]}"
    age = contact.age_s(now)
    if age is None:
        return "no data yet"
    if contact.is_lost(now):
        return f"{'reconnecting  ' if contact.problem else ''}OLD DATA {short(age)} ago"
    return f"live, <{STALE_AFTER_S:g}s old"
