"""The route about fair shares: who has used how much of what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from math import isinf
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import NotFoundError
from gpuq.sharing import LentRow, ShareRow, WasteRow
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.policy.accounts import ROOT, Account, Association, Tree, no_account
from gpuq_daemon.policy.fairtree import AssociationKey, Share, Shares
from gpuq_daemon.policy.usage import back_to_due_s

_MONTH_S = 30 * 86_400.0
_HARDLY = 360.0  # billing-seconds over the due: in a cluster's first minutes it is anybody, by turns


class ShareList(Struct):
    """Shares `at` one time, each account followed by its users and by the accounts below it, by name.

    `is_open`: nobody is in any account yet, so everybody may queue, all alike.
    """

    at: float
    half_life_s: float
    is_open: bool
    shares: list[ShareRow]


@get("/v1/shares")
async def list_shares(request: Request[Any, Any, Any], desk: Desk, account: str | None = None) -> ShareList:
    """Return how all accounts and users stand, or one account and all below it.

    Those who see what is their own are told of accounts as a whole, and of no other user.
    """
    tree, shares = desk.shares()
    top = ROOT if account is None else account
    if all(a.name != top for a in tree.accounts):
        raise NotFoundError(no_account(top, tree))
    who, half_life_s = caller(request), desk.config.scheduler.half_life_s
    rows = share_rows(tree, shares, desk.rates(), half_life_s=half_life_s, top=top)
    return ShareList(
        at=shares.at,
        half_life_s=half_life_s,
        is_open=not tree.associations,
        shares=[row for row in rows if row.user is None or who.may_see(row.user)],
    )


class LedgerList(Struct):
    """What accounts and users have lent each other `at` one time, and GPU time held for nothing `since` another.

    What is lent and borrowed halves every `half_life_s`. With the tiers it also grows by `rate_gpus`, and is repaid;
    with multifactor it is what usage is over, or under, its due.
    """

    at: float
    since: float
    half_life_s: float
    is_tiered: bool
    lent: list[LentRow]
    wasted: list[WasteRow]


@get("/v1/ledger")
async def ledger(
    request: Request[Any, Any, Any],
    desk: Desk,
    since: Annotated[float | None, Parameter(ge=0, le=1e12, description="Of waste; else 30 days.")] = None,
) -> LedgerList:
    """Return what everybody lent and borrowed, and wasted. Those who see what is their own see no other users'."""
    who, now, tiers = caller(request), desk.clock.now(), desk.rules().tiers
    begin = now - _MONTH_S if since is None else since
    wasted = await asyncio.to_thread(desk.wasted, begin)
    return LedgerList(
        at=now,
        since=begin,
        half_life_s=desk.config.scheduler.half_life_s if tiers is None else tiers.half_life_s,
        is_tiered=tiers is not None,
        lent=[row for row in desk.lent() if row.user is None or who.may_see(row.user)],
        wasted=[row for row in wasted if who.may_see(row.user)],
    )


def share_rows(
    tree: Tree, shares: Shares, rates: Mapping[AssociationKey, float], *, half_life_s: float, top: str = ROOT
) -> list[ShareRow]:
    """Return how `top` and all below it stand; `rates` are the billing units held now by (account, user)."""
    return list(_Forest(tree, shares, rates, half_life_s).rows(top))


class _Forest:
    """The tree with its shares and with what its members hold now."""

    def __init__(self, tree: Tree, shares: Shares, rates: Mapping[AssociationKey, float], half_life_s: float) -> None:
        self._accounts = {account.name: account for account in tree.accounts}
        self._users: dict[str, list[Association]] = {name: [] for name in self._accounts}
        self._below: dict[str, list[str]] = {name: [] for name in self._accounts}
        for one in sorted(tree.associations, key=lambda a: a.user):
            self._users[one.account].append(one)
        for account in sorted(tree.accounts, key=lambda a: a.name):
            if account.parent is not None:
                self._below[account.parent].append(account.name)
        self._shares = shares
        self._half_life_s = half_life_s
        self._rates = rates
        self._account_rates: dict[str, float] = {}
        for (holder, _), rate in rates.items():
            for name in self._upwards(holder):
                self._account_rates[name] = self._account_rates.get(name, 0.0) + rate

    def rows(self, name: str, depth: int = 0) -> Iterator[ShareRow]:
        """Yield an account, its users, and the accounts below it."""
        account = self._accounts[name]
        yield self._row(self._shares.accounts[name], name, None, account.shares, depth)
        for one in self._users[name]:
            yield self._row(self._shares.users[(name, one.user)], name, one.user, one.shares, depth + 1)
        for below in self._below[name]:
            yield from self.rows(below, depth + 1)

    def _row(self, share: Share, account: str, user: str | None, shares: int | None, depth: int) -> ShareRow:
        is_first = share.level_fs is not None and isinf(share.level_fs)
        return ShareRow(
            account=account,
            user=user,
            depth=depth,
            shares=shares,
            usage=share.usage,
            used=share.used,
            due=share.due,
            level_fs=None if is_first else share.level_fs,
            is_first=is_first,
            rank=share.rank,
            factor=share.factor,
            back_s=0.0 if is_first or share.level_fs is None else self._back_s(share, account, user),
        )

    def _back_s(self, share: Share, account: str, user: str | None) -> float | None:
        level = self._level(account, user)
        all_usage = self._shares.accounts[level].usage
        if share.usage - share.due * all_usage < _HARDLY:
            return 0.0
        rate = self._account_rates.get(account, 0.0) if user is None else self._rates.get((account, user), 0.0)
        return back_to_due_s(
            due=share.due,
            usage=share.usage,
            others=max(0.0, all_usage - share.usage),
            others_rate=max(0.0, self._account_rates.get(level, 0.0) - rate),
            half_life_s=self._half_life_s,
        )

    def _level(self, account: str, user: str | None) -> str:
        """Return the account whose level this one competes in: accounts with the shares `parent` dissolve."""
        level = account if user is not None else self._parent(self._accounts[account])
        while level != ROOT and self._accounts[level].shares is None:
            level = self._parent(self._accounts[level])
        return level

    def _parent(self, account: Account) -> str:
        return ROOT if account.parent is None else account.parent

    def _upwards(self, name: str) -> Iterator[str]:
        above: str | None = name
        while above is not None and above in self._accounts:
            yield above
            above = self._accounts[above].parent
