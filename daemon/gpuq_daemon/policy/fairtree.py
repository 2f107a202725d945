"""Fair Tree: who is furthest below what is due, account by account down the tree.

Source: Slurm, "Fair Tree Fairshare Algorithm". Tied sibling accounts follow the published text: their
children are merged into one level before descending, so that the order of creation does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import fsum, inf

from gpuq_daemon.policy.accounts import ROOT, Account, Association, Tree

AssociationKey = tuple[str, str]  # account, user


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What is due to an account or a user among its siblings, and what was used.

    `due` is S, the part of the siblings' shares, and `used` is U, the part of the usage of the account
    above; both in 0..1. `level_fs` is S/U: above 1 is below its due; None for an account whose shares are
    `parent`. `rank` (highest first) and `factor` = rank / number of associations are a user's only.
    """

    usage: float
    due: float
    used: float
    level_fs: float | None
    rank: int | None = None
    factor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The whole tree's shares `at` one time, of accounts by name and of users by (account, user)."""

    at: float = 0.0
    accounts: Mapping[str, Share]
    users: Mapping[AssociationKey, Share]

    def factor(self, account: str, user: str) -> float:
        """Return the user's fair-share factor in 0..1; 0 for who has no association."""
        share = self.users.get((account, user))
        return 0.0 if share is None or share.factor is None else share.factor


NO_SHARES = Shares(accounts={}, users={})


def fair_tree(tree: Tree, usage: Mapping[AssociationKey, float], *, at: float = 0.0) -> Shares:
    """Return the fair shares of a tree that is sound (`accounts.problem` says None).

    `usage` is decayed usage by (account, user); what is missing is 0.
    """
    return _Forest(tree, usage).shares(at)


_Member = tuple[float, Account | Association]


class _Forest:
    """One computation: the tree with its sums."""

    def __init__(self, tree: Tree, usage: Mapping[AssociationKey, float]) -> None:
        self._tree = tree
        self._below: dict[str, list[Account]] = {account.name: [] for account in tree.accounts}
        self._users: dict[str, list[Association]] = {account.name: [] for account in tree.accounts}
        for account in tree.accounts:
            if account.parent is not None:
                self._below[account.parent].append(account)
        for one in tree.associations:
            self._users[one.account].append(one)
        self._leaf = {(a.account, a.user): usage.get((a.account, a.user), 0.0) for a in tree.associations}
        self._usage: dict[str, float] = {}
        self._sum_up(ROOT)
        self._account_shares: dict[str, Share] = {
            ROOT: Share(usage=self._usage[ROOT], due=0.0, used=1.0, level_fs=None)
        }
        self._user_shares: dict[AssociationKey, Share] = {}

    def shares(self, at: float) -> Shares:
        members = self._level(ROOT)
        count = len(self._tree.associations)
        ranks: dict[AssociationKey, int] = {}
        self._rank(members, count, ranks)
        for key, rank in ranks.items():
            s = self._user_shares[key]
            self._user_shares[key] = Share(
                usage=s.usage, due=s.due, used=s.used, level_fs=s.level_fs, rank=rank, factor=rank / count
            )
        return Shares(at=at, accounts=self._account_shares, users=self._user_shares)

    def _sum_up(self, name: str) -> list[float]:
        # fsum rounds once, so that neither order nor depth can break or make a tie.
        leaves = [self._leaf[(name, one.user)] for one in self._users[name]]
        for account in self._below[name]:
            leaves += self._sum_up(account.name)
        self._usage[name] = fsum(leaves)
        return leaves

    def _competing(self, name: str) -> Iterable[Account | Association]:
        """Those who share an account's due: its own, and those of accounts below that dissolve into it."""
        yield from self._users[name]
        for account in self._below[name]:
            if account.shares is None:
                yield account
                yield from self._competing(account.name)
            else:
                yield account

    def _level(self, name: str) -> list[_Member]:
        """Note the share of everyone who competes in account `name`; return those that take a rank there."""
        everyone = list(self._competing(name))
        total = sum(one.shares for one in everyone if one.shares is not None)
        above, above_due = self._usage[name], self._account_shares[name].due
        members: list[_Member] = []
        for one in everyone:
            is_user = isinstance(one, Association)
            usage = self._leaf[(one.account, one.user)] if is_user else self._usage[one.name]
            used = usage / above if above else 0.0
            due = above_due if one.shares is None else one.shares / total if total else 0.0
            level_fs = _level_fs(due, used) if one.shares is not None else inf if is_user else None
            share = Share(usage=usage, due=due, used=used, level_fs=level_fs)
            if is_user:
                self._user_shares[(one.account, one.user)] = share
            else:
                self._account_shares[one.name] = share
            if level_fs is not None:
                members.append((level_fs, one))
        return members

    def _rank(self, members: list[_Member], highest: int, ranks: dict[AssociationKey, int]) -> int:
        """Give ranks downwards from `highest`; return the next one that is free."""
        members.sort(key=lambda member: -member[0])
        for _, tied in groupby(members, key=lambda member: member[0]):
            group = [one for _, one in tied]
            users = [one for one in group if isinstance(one, Association)]
            for user in users:
                ranks[(user.account, user.user)] = highest
            highest -= len(users)
            merged = [m for one in group if isinstance(one, Account) for m in self._level(one.name)]
            if merged:
                highest = self._rank(merged, highest, ranks)
        return highest


def _level_fs(due: float, used: float) -> float:
    if due == 0:
        return 0.0
    return inf if used == 0 else due / used
