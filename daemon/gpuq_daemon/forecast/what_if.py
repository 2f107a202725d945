"""What a change of the cluster or its rules would do to those who wait, before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from gpuq.errors import UsageError
from gpuq.sharing import Moved
from gpuq.text import clean, fit
from gpuq.units import parse_moment
from gpuq_daemon.forecast.estimate import coming, lengths_of
from gpuq_daemon.forecast.packing import Run
from gpuq_daemon.forecast.replay import Change, Course, Replay, is_startable
from gpuq_daemon.policy.accounts import Tree, parse_shares
from gpuq_daemon.policy.fairtree import fair_tree
from gpuq_daemon.policy.reservation import no_node
from gpuq_daemon.policy.snapshot import NodeView, Snapshot

_REPLAYS = 5
_MOVED_S = 60.0
_MOVED = 0.05  # of the time to the start
_MOST_NODES = 10_000
_SAYS = "drain NODE [at TIME], resume NODE [at TIME], share ACCOUNT[/USER]=N, add N [MODEL] [to PARTITION]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change and when it happens."""

    at: float
    change: Change


def parse(text: str, snapshot: Snapshot) -> Event:
    """Return the change that a line asks for.

    Raises:
        UsageError: it is none, or of what is not there.
    """
    words, _, when = text.strip().partition(" at ")
    at = parse_moment(when.strip(), now=snapshot.now) if when else snapshot.now
    for pattern, make in _VERBS:
        found = re.fullmatch(pattern, words.strip())
        if found is not None:
            return Event(at=at, change=make(snapshot, *found.groups()))
    raise UsageError(f"'{fit(clean(text), 60)}' is no change that can be tried: {_SAYS}.")


def moved(
    snapshot: Snapshot,
    event: Event,
    runs: Sequence[Run],
    seed: int,
    *,
    course: Course | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> tuple[Moved, ...]:
    """Return every job that waits and would start at another time: the middle of several replays with and without."""
    lengths = lengths_of(runs)
    before: dict[int, list[float]] = {}
    after: dict[int, list[float]] = {}
    for i in range(_REPLAYS):
        both: list[dict[int, float]] = []
        for events in ((), ((event.at, event.change),)):
            rng = Random(seed + i)
            come = coming(snapshot, runs, lengths, Random(seed - i))
            replay = Replay(snapshot, lengths, come, rng, course, events)
            if not replay.run(enough):
                return _moves(snapshot, before, after)
            both.append(replay.starts)
        for job in snapshot.pending:
            for found, starts in ((before, both[0]), (after, both[1])):
                found.setdefault(job.job_id, []).append(starts.get(job.job_id, float("inf")))
    return _moves(snapshot, before, after)


def decided(world: Snapshot) -> Change:
    """Return the change to what operators have decided in a world: nodes, rules, shares and reservations are its."""
    return lambda there: replace(
        there,
        nodes=world.nodes,
        rules=world.rules,
        shares=world.shares,
        used_gpu_s=world.used_gpu_s,
        reservations=world.reservations,
    )


def _moves(snapshot: Snapshot, before: dict[int, list[float]], after: dict[int, list[float]]) -> tuple[Moved, ...]:
    found: list[Moved] = []
    for job in snapshot.pending:
        if job.job_id not in before or not is_startable(job):
            continue
        old, new = _middle(before[job.job_id]), _middle(after[job.job_id])
        least = _MOVED_S + _MOVED * (0.0 if old is None else old - snapshot.now)
        if (old is None) != (new is None) or (old is not None and new is not None and abs(new - old) > least):
            found.append(
                Moved(job_id=job.job_id, user=job.user, account=job.account, name=job.name, before_at=old, after_at=new)
            )
    return tuple(sorted(found, key=lambda one: (-_by_s(one), one.job_id)))


def shifted(one: Moved, at: float | None, now: float) -> Moved:
    """Return a move whose job starts at `at`, as is told elsewhere, and moves by as much; None is not known."""
    if at is None or one.before_at is None:
        return one
    after = None if one.after_at is None else max(now, one.after_at + at - one.before_at)
    return replace(one, before_at=at, after_at=after)


def _by_s(one: Moved) -> float:
    never = 1e12
    return abs((never if one.after_at is None else one.after_at) - (never if one.before_at is None else one.before_at))


def _middle(starts: list[float]) -> float | None:
    at = sorted(starts)[len(starts) // 2]
    return None if at == float("inf") else at


def _drain(snapshot: Snapshot, name: str) -> Change:
    _node(snapshot, name)
    return _with_node(name, lambda node: replace(node, drained="what if"))


def _resume(snapshot: Snapshot, name: str) -> Change:
    _node(snapshot, name)
    return _with_node(name, lambda node: replace(node, drained=None, is_up=True))


def _with_node(name: str, changed: Callable[[NodeView], NodeView]) -> Change:
    return lambda there: replace(
        there, nodes=tuple(changed(node) if node.name == name else node for node in there.nodes)
    )


def _node(snapshot: Snapshot, name: str) -> NodeView:
    found = next((node for node in snapshot.nodes if node.name == name), None)
    if found is None:
        raise UsageError(no_node(name, (node.name for node in snapshot.nodes)))
    return found


def _share(snapshot: Snapshot, account: str, user: str | None, shares: str) -> Change:
    number = parse_shares(shares)
    tree = snapshot.rules.tree
    known = any(a.account == account and a.user == user for a in tree.associations)
    if not (known if user else any(one.name == account for one in tree.accounts)):
        what = f"user '{fit(clean(user), 40)}' in account" if user else "account"
        raise UsageError(f"There is no {what} '{fit(clean(account), 40)}': `gpuq share` lists those there are.")
    accounts = tuple(replace(a, shares=number) if a.name == account and not user else a for a in tree.accounts)
    members = tuple(
        replace(a, shares=number) if user and (a.account, a.user) == (account, user) else a for a in tree.associations
    )
    changed = Tree(accounts=accounts, associations=members)

    def change(there: Snapshot) -> Snapshot:
        usage = {key: share.usage for key, share in there.shares.users.items()}
        shares = fair_tree(changed, usage, at=there.shares.at)
        return replace(there, rules=replace(there.rules, tree=changed), shares=shares)

    return change


def _add(snapshot: Snapshot, count: str, model: str | None, partition: str | None) -> Change:
    like = [
        node
        for node in snapshot.nodes
        if (partition is None or node.partition == partition)
        and (model is None or node.gpu_type == model)
        and node.gpus
    ]
    there = [node for node in snapshot.nodes if partition is None or node.partition == partition]
    if not there:
        raise UsageError(f"There is no partition '{fit(clean(partition or ''), 40)}' with nodes to add to.")
    one = max(like or there, key=lambda node: node.gpus)
    each = max(1, one.gpus)
    left, new = int(count), list[NodeView]()
    while left > 0 and len(new) < _MOST_NODES:
        new.append(
            replace(
                one,
                name=f"what-if-{len(new) + 1}",
                gpus=min(each, left),
                gpu_type=one.gpu_type if model is None else model,
                is_up=True,
                drained=None,
            )
        )
        left -= each
    return lambda there: replace(there, nodes=(*there.nodes, *new))


_VERBS: tuple[tuple[str, Callable[..., Change]], ...] = (
    (r"drain (\S+)", _drain),
    (r"resume (\S+)", _resume),
    (r"share ([^\s=/]+)(?:/([^\s=/]+))?=(\S+)", _share),
    (r"add ([1-9]\d{0,5})(?: (?!to\b)(\S+))?(?: to (\S+))?", _add),
)
