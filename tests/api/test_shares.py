"""Fair shares as everybody sees them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gpuq.sharing import ShareRow
from gpuq_daemon.api.shares import share_rows
from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.fairtree import fair_tree

HALF_LIFE_S = 7 * 86_400.0
Key = tuple[str, str]


def a_tree(shares: dict[str, int | None], users: dict[Key, int | None], below: dict[str, str] | None = None) -> Tree:
    """Return a tree of accounts below the root, or `below` what is named, with users by (account, user)."""
    above = below or {}
    return Tree(
        accounts=(
            Account(name="root", parent=None),
            *(Account(name=name, parent=above.get(name, "root"), shares=count) for name, count in shares.items()),
        ),
        associations=tuple(Association(account=a, user=u, shares=count) for (a, u), count in users.items()),
    )


def rows_of(tree: Tree, usage: dict[Key, float], rates: dict[Key, float]) -> dict[tuple[str, str | None], ShareRow]:
    rows = share_rows(tree, fair_tree(tree, usage), rates, half_life_s=HALF_LIFE_S)
    return {(row.account, row.user): row for row in rows}


def test_each_account_is_followed_by_its_users_and_what_lies_below() -> None:
    tree = a_tree({"b": 1, "a": 1, "sub": 1}, {("a", "zoe"): 1, ("a", "ann"): 1, ("sub", "bob"): 1}, {"sub": "a"})

    rows = share_rows(tree, fair_tree(tree, {}), {}, half_life_s=HALF_LIFE_S)
    below = share_rows(tree, fair_tree(tree, {}), {}, half_life_s=HALF_LIFE_S, top="sub")

    assert [(row.depth, row.account, row.user) for row in rows] == [
        (0, "root", None),
        (1, "a", None),
        (2, "a", "ann"),
        (2, "a", "zoe"),
        (2, "sub", None),
        (3, "sub", "bob"),
        (1, "b", None),
    ]
    assert [(row.account, row.user) for row in below] == [("sub", None), ("sub", "bob")]


def test_infinity_is_said_in_a_way_that_json_can_hold() -> None:
    rows = rows_of(a_tree({"a": 1, "b": 0}, {("a", "ann"): 1, ("b", "bob"): 1}), {("b", "bob"): 5.0}, {})

    assert (rows["a", None].level_fs, rows["a", None].is_first) == (None, True)
    assert (rows["b", None].level_fs, rows["b", None].is_first) == (0.0, False)
    assert (rows["root", None].level_fs, rows["root", None].is_first) == (None, False)


def test_who_has_no_shares_but_usage_is_never_back() -> None:
    tree = a_tree({"a": 1, "b": 0}, {("a", "ann"): 1, ("b", "bob"): 1})

    rows = rows_of(tree, {("b", "bob"): 5e5, ("a", "ann"): 5e5}, {("a", "ann"): 1.0})

    assert rows["b", None].back_s is None
    assert rows["a", None].back_s == 0


def test_who_shares_with_nobody_that_runs_is_never_back() -> None:
    rows = rows_of(a_tree({"a": 1, "b": 1}, {("a", "ann"): 1, ("b", "bob"): 1}), {("a", "ann"): 5e5}, {})

    assert rows["a", None].back_s is None
    assert rows["b", None].back_s == 0


def test_users_of_a_dissolved_account_are_compared_one_level_up() -> None:
    tree = a_tree({"a": None, "b": 1}, {("a", "ann"): 1, ("b", "bob"): 1})
    usage, rates = {("a", "ann"): 3e5, ("b", "bob"): 1e5}, {("b", "bob"): 1.0}

    rows = rows_of(tree, usage, rates)

    flat = rows_of(a_tree({"a": 1, "b": 1}, {("a", "ann"): 1, ("b", "bob"): 1}), usage, rates)
    assert rows["a", "ann"].due == 0.5
    assert rows["a", "ann"].back_s == pytest.approx(flat["a", None].back_s)
    assert rows["a", None].back_s == 0


@given(
    shares=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    used=st.lists(st.floats(1e3, 1e7), min_size=3, max_size=3),
    rate=st.lists(st.floats(0.5, 50), min_size=3, max_size=3),
)
def test_after_that_time_what_was_used_is_what_is_due(shares: list[int], used: list[float], rate: list[float]) -> None:
    names = ["a", "b", "c"]
    tree = a_tree(dict(zip(names, shares, strict=True)), {(name, "u"): 1 for name in names})
    usage = {(name, "u"): amount for name, amount in zip(names, used, strict=True)}
    rates = {(name, "u"): units for name, units in zip(names, rate, strict=True)}

    before = rows_of(tree, usage, rates)["a", None]
    assume(before.back_s)
    assert before.back_s is not None
    assert before.used > before.due

    half = 2.0 ** (-before.back_s / HALF_LIFE_S)
    grown = HALF_LIFE_S / 0.6931471805599453 * (1 - half)
    later = {key: amount * half + (0.0 if key[0] == "a" else rates[key] * grown) for key, amount in usage.items()}

    after = rows_of(tree, later, rates)["a", None]
    assert after.used == pytest.approx(after.due, rel=1e-6)
