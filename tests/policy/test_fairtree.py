"""Fair Tree: the numbers Slurm 22.05 computed, and what must not matter."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.fairtree import Share, fair_tree

RECORDED = sorted((Path(__file__).parent.parent / "data" / "fairtree").glob("*.json"))


def _shares(value: Any) -> int | None:
    return None if value == "parent" else int(value)


def recorded_tree(document: dict[str, Any]) -> tuple[Tree, dict[tuple[str, str], float]]:
    """Return the tree of a recorded file and its usage."""
    given_ = document["input"]
    tree = Tree(
        accounts=tuple(
            Account(name=a["name"], parent=a["parent"], shares=_shares(a["fairshare"])) for a in given_["accounts"]
        ),
        associations=tuple(
            Association(user=u["user"], account=u["account"], shares=_shares(u["fairshare"])) for u in given_["users"]
        ),
    )
    return tree, {(u["account"], u["user"]): float(u["raw_usage"]) for u in given_["users"]}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_numbers_are_those_of_slurm(path: Path):
    document = json.loads(path.read_text())
    tree, usage = recorded_tree(document)

    found = fair_tree(tree, usage)

    assert len(tree.associations) == document["user_association_count"]
    for row in document["expected"]:
        key = (row["account"], row["user"])
        share = found.accounts[row["account"]] if row["user"] is None else found.users[key]
        assert share.usage == row["raw_usage"], key
        assert round(share.due, 6) == row["norm_shares"], key
        assert round(share.used, 6) == row["effective_usage"], key
        assert _printed_level(share, row) == row["level_fs"], key
        if row["user"] is not None:
            assert share.rank == row["published_rank"], key
            assert share.factor == row["published_rank"] / document["user_association_count"]
            assert share.factor is not None
            assert round(share.factor, 6) == row["published_fair_share"], key


def _printed_level(share: Share, row: dict[str, Any]) -> Any:
    if share.level_fs is None or row["raw_shares"] == "parent":
        return None  # Slurm prints nothing for `parent`
    return "inf" if share.level_fs == inf else round(share.level_fs, 6)


def test_tied_sibling_accounts_merge_their_children():
    # a and b tie; published: their users compete in one level, so b's better user is before a's worse one.
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a"), Account(name="b")),
        associations=tuple(
            Association(user=u, account=a) for u, a in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b"))
        ),
    )
    usage = {("a", "a1"): 10.0, ("a", "a2"): 90.0, ("b", "b1"): 40.0, ("b", "b2"): 60.0}

    found = fair_tree(tree, usage).users

    ranks = {user: share.rank for (_, user), share in found.items()}
    assert ranks == {"a1": 4, "b1": 3, "b2": 2, "a2": 1}


def test_at_a_tie_users_come_before_accounts():
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a")),
        associations=(Association(user="inside", account="a"), Association(user="beside", account="root")),
    )

    found = fair_tree(tree, {}).users

    assert found["root", "beside"].rank == 2
    assert found["a", "inside"].rank == 1


def test_no_shares_means_last_even_without_usage():
    tree = Tree(
        associations=(Association(user="none", account="root", shares=0), Association(user="some", account="root"))
    )

    found = fair_tree(tree, {("root", "some"): 5.0}).users

    assert found["root", "none"].level_fs == 0.0
    assert found["root", "none"].rank == 1


def test_an_empty_account_takes_shares_but_no_rank():
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="empty"), Account(name="full")),
        associations=(Association(user="u", account="full"),),
    )

    found = fair_tree(tree, {("full", "u"): 1.0})

    assert found.accounts["full"].due == 0.5
    assert found.users["full", "u"].rank == 1
    assert found.users["full", "u"].factor == 1.0


_NAMES = ["a", "b", "c", "d", "e"]


@st.composite
def trees(draw: st.DrawFn) -> tuple[Tree, dict[tuple[str, str], float]]:
    """Trees with zero shares, `parent`, empty accounts and many ties."""
    share = st.one_of(st.none(), st.integers(0, 3))
    accounts = [Account(name="root", parent=None)]
    for name in _NAMES[: draw(st.integers(0, 5))]:
        accounts.append(Account(name=name, parent=draw(st.sampled_from(accounts)).name, shares=draw(share)))
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from([a.name for a in accounts]), st.sampled_from("uvwxyz")), unique=True, max_size=10
        )
    )
    associations = tuple(Association(user=u, account=a, shares=draw(share)) for a, u in keys)
    usage = {key: float(draw(st.sampled_from([0, 1, 2, 3, 1000]))) for key in keys}
    return Tree(accounts=tuple(accounts), associations=associations), usage


@given(trees(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(made: tuple[Tree, dict[tuple[str, str], float]], random: Any):
    tree, usage = made
    accounts, associations = list(tree.accounts), list(tree.associations)
    random.shuffle(accounts)
    random.shuffle(associations)
    shuffled = Tree(accounts=tuple(accounts), associations=tuple(associations))

    assert fair_tree(shuffled, usage) == fair_tree(tree, usage)


@given(trees())
def test_every_association_has_a_rank_within_their_number(made: tuple[Tree, dict[tuple[str, str], float]]):
    tree, usage = made

    found = fair_tree(tree, usage)

    n = len(tree.associations)
    ranks = sorted((share.rank or 0 for share in found.users.values()), reverse=True)
    assert len(ranks) == n
    for place, rank in enumerate(ranks):  # tied users share the highest, ranks are skipped after them
        assert rank == n - ranks.index(rank)
        assert rank >= n - place
    assert set(found.accounts) == {account.name for account in tree.accounts}
