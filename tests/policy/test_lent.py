"""What accounts have lent each other, and how it fades."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.fairtree import fair_tree
from gpuq_daemon.policy.lent import after_a_rest, lent_by_shares, lent_by_tiers
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import Snapshot
from gpuq_daemon.policy.tiers.engine import TieredEngine
from gpuq_daemon.policy.tiers.settings import NO_STATE, Owed, Tiers, TierState
from tests.policy.build import a_job, a_snapshot, nodes, running

DAY = 86_400.0


def test_an_account_that_waits_lends_to_the_one_that_runs() -> None:
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a"), Account(name="b")),
        associations=(Association(user="ann", account="a"), Association(user="bob", account="b")),
    )
    held = running(1, {"n1": 8}, user="ann", account="a", started_at=900.0)
    waits = a_job(2, user="bob", account="b", gpus_per_worker=8)
    world = a_snapshot([waits], on=nodes(1), active=[held], rules=Rules(tree=tree, tiers=Tiers(may_preempt=False)))
    engine = TieredEngine(world)

    engine.plan(1000.0)
    state = engine.plan(4600.0).tiers
    rows = {(row.account, row.user): row for row in lent_by_tiers(state, 4600.0, 3 * DAY)}

    assert rows["b", None].lent_gpu_s == pytest.approx(4 * 3600, rel=0.01)
    assert rows["b", "bob"].lent_gpu_s == pytest.approx(4 * 3600, rel=0.01)
    assert rows["a", "ann"].borrowed_gpu_s == pytest.approx(4 * 3600, rel=0.01)
    assert (rows["a", None].rate_gpus, rows["b", None].rate_gpus) == (-4.0, 4.0)
    assert rows["a", None].gone_in_s is None
    assert [row.account for row in lent_by_tiers(state, 4600.0, 3 * DAY)] == ["a", "a", "b", "b"]


def test_what_nobody_adds_to_is_gone_when_less_than_a_gpu_hour_is_left() -> None:
    state = TierState(at=0.0, owed={"a:x": Owed(unit_s=8 * 3600 * 1000.0, rate=0.0)})

    [row] = lent_by_tiers(state, 3 * DAY, 3 * DAY)

    assert row.lent_gpu_s == pytest.approx(4 * 3600)
    assert row.gone_in_s == pytest.approx(2 * 3 * DAY)


def test_with_shares_it_is_what_usage_is_over_its_due() -> None:
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a", shares=3), Account(name="b")),
        associations=(Association(user="ann", account="a"), Association(user="bob", account="b")),
    )
    shares = fair_tree(tree, {("a", "ann"): 4000.0, ("b", "bob"): 4000.0}, at=0.0)

    rows = {(row.account, row.user): row for row in lent_by_shares(tree, shares, 7 * DAY)}

    assert (rows["a", None].lent_gpu_s, rows["b", None].borrowed_gpu_s) == (2000.0, 2000.0)
    assert ("a", "ann") not in rows


@given(st.floats(0, 30 * DAY), st.floats(-1e9, 1e9), st.floats(-1e6, 1e6))
def test_a_rest_adds_nothing_and_lets_fade(rest: float, unit_s: float, rate: float) -> None:
    state = TierState(at=100.0, owed={"a:x": Owed(unit_s=unit_s, rate=rate)}, ideal_unit_s=5.0, ideal_rate=1.0)

    after = after_a_rest(state, 100.0 + rest, 3 * DAY)

    assert after.at == 100.0 + rest
    assert abs(after.owed["a:x"].unit_s) <= abs(unit_s)
    assert after.owed["a:x"].rate == 0
    assert after_a_rest(NO_STATE, 5.0, DAY) is NO_STATE


def test_a_ledger_that_was_kept_goes_on() -> None:
    kept = TierState(at=1000.0, owed={"a:b/u:bob": Owed(unit_s=5e6, rate=0.0), "a:b": Owed(unit_s=5e6, rate=0.0)})

    engine = TieredEngine(
        Snapshot(now=1000.0, nodes=nodes(1), pending=(), active=(), rules=Rules(tiers=Tiers()), tiers=kept)
    )

    assert dict(engine.remembered()[1].owed) == dict(kept.owed)
