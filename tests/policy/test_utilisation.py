"""What of nodes is on record, and how much GPU time that adds up to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.models import Node
from gpuq.sharing import Drain, NodeSpan, NodeState
from gpuq_daemon.policy.node_spans import MISSES, Record, Seen, seen
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rollup import DAY_S
from gpuq_daemon.policy.utilisation import HEALTH_CHECK, capacity_us

NODE = Node(name="a", partition="p", host="h", gpu_kind="GPU", gpus=4, free_gpus=4, gpu_type="a100")
DRAIN = Drain(node="a", reason="fan", since=1.0, by_user="ann")
KEPT = Reservation(name="course", nodes=frozenset({"a"}), start_at=0.0, end_at=100.0, users=frozenset({"bob"}))
WINDOW = replace(KEPT, name="window", users=frozenset())


@pytest.mark.parametrize(
    ("node", "drains", "reservations", "state", "reason"),
    [
        (NODE, [], [], NodeState.UP, ""),
        (replace(NODE, is_up=False), [DRAIN], [KEPT], NodeState.DOWN, ""),
        (NODE, [DRAIN], [KEPT], NodeState.DRAINED, "fan"),
        (replace(NODE, job_ids=(1,)), [DRAIN], [], NodeState.DRAINING, "fan"),
        (NODE, [], [KEPT], NodeState.RESERVED, "course"),
        (NODE, [], [WINDOW], NodeState.MAINTENANCE, "window"),
        (replace(NODE, job_ids=(1,)), [], [KEPT], NodeState.UP, ""),
        (NODE, [], [replace(KEPT, start_at=50.0)], NodeState.UP, ""),
    ],
)
def test_a_node_is_as_jobs_can_have_it(
    node: Node, drains: list[Drain], reservations: list[Reservation], state: NodeState, reason: str
) -> None:
    found = seen([node], drains, reservations, now=10.0)["a"]

    assert (found.state, found.reason, found.by_user) == (state, reason, "ann" if reason == "fan" else "")


def test_only_what_has_changed_is_noted_and_who_is_missed_once_has_not_left() -> None:
    up = seen([NODE], [], [], now=0.0)
    record = Record({})

    assert record.look(up, 10.0).began == tuple(up.values())
    assert record.look(up, 20.0).began == ()
    assert record.look({}, 30.0).ended == ()
    assert record.look(up, 40.0).began == ()
    drained = seen([NODE], [DRAIN], [], now=50.0)
    changed = record.look(drained, 50.0)
    assert (changed.ended, changed.began) == ((("a", 50.0),), tuple(drained.values()))
    gone = [record.look({}, 60.0 + 10 * look).ended for look in range(MISSES + 1)]
    assert gone == [(), (), (("a", 60.0),), ()]


def a_span(state: NodeState = NodeState.UP, *, began_at: float, ended_at: float | None, by_user: str = "") -> NodeSpan:
    return NodeSpan(
        node="a", partition="p", gpu_type="a100", gpus=2, state=state, reason="", by_user=by_user, began_at=began_at,
        ended_at=ended_at,
    )  # fmt: skip


def test_gpu_time_is_told_by_day_and_by_how_the_node_was() -> None:
    spans = [
        a_span(began_at=-50.0, ended_at=DAY_S + 100.0),
        a_span(NodeState.DRAINED, began_at=DAY_S + 100.0, ended_at=DAY_S + 200.0, by_user="ann"),
        a_span(NodeState.MAINTENANCE, began_at=DAY_S + 200.0, ended_at=DAY_S + 300.0),
        a_span(NodeState.DRAINED, began_at=DAY_S + 300.0, ended_at=DAY_S + 400.0, by_user=HEALTH_CHECK),
        a_span(NodeState.DRAINING, began_at=DAY_S + 400.0, ended_at=None, by_user="ann"),
    ]

    found = capacity_us(spans, ("partition",), since=0.0, until=DAY_S + 500.0)

    assert found == {
        (("p",), 0): {NodeState.UP: 2 * DAY_S * 10**6},
        (("p",), 1): {
            NodeState.UP: 400 * 10**6, NodeState.DRAINED: 400 * 10**6, NodeState.DOWN: 200 * 10**6,
        },
    }  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5 * DAY_S), st.integers(0, 5 * DAY_S)), max_size=20))
def test_no_second_of_a_gpu_is_lost_or_counted_twice(bounds: list[tuple[int, int]]) -> None:
    spans = [a_span(began_at=min(pair), ended_at=max(pair)) for pair in bounds]
    first, last = DAY_S // 2, 4 * DAY_S

    found = capacity_us(spans, (), since=first, until=last)

    inside = sum(max(0, min(max(pair), last) - max(min(pair), first)) for pair in bounds)
    assert sum(part for times in found.values() for part in times.values()) == 2 * inside * 10**6


def test_what_is_seen_has_the_columns_of_its_table() -> None:
    assert set(Seen.__dataclass_fields__) <= set(NodeSpan.__dataclass_fields__)
