"""The tree of accounts and who belongs to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpuq.errors import UsageError
from gpuq.near import hint
from gpuq.text import clean, fit

ROOT = "root"
MOST_SHARES = 2**31 - 1
DEEPEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A team. `parent` None is the root. `shares` None is `parent`: its members compete one level up."""

    name: str
    parent: str | None = ROOT
    shares: int | None = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A user in an account; one of a user's associations is its default.

    `shares` None is `parent`: the user always ranks first in the account and takes no part of its shares.
    """

    user: str
    account: str
    shares: int | None = 1
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """All accounts and associations, in no order. Without any, everybody is equal under the root."""

    accounts: tuple[Account, ...] = (Account(name=ROOT, parent=None),)
    associations: tuple[Association, ...] = ()

    def parents(self) -> dict[str, str | None]:
        """Return the parent of every account."""
        return {account.name: account.parent for account in self.accounts}


def problem(tree: Tree) -> str | None:
    """Return what is wrong with the tree, in one sentence, or None."""
    return _bad_accounts(tree) or _bad_associations(tree) or _bad_shares(tree)


def parse_shares(text: str) -> int | None:
    """Return shares as an operator writes them: a whole number from 0, or `parent` (None).

    Raises:
        UsageError: anything else.
    """
    word = text.strip().lower()
    if word == "parent":
        return None
    if word.isascii() and word.isdigit() and int(word[:12]) <= MOST_SHARES and len(word) <= 12:
        return int(word)
    raise UsageError(
        f"'{fit(clean(text), 40)}' cannot be shares: give a whole number from 0 to {MOST_SHARES}, or `parent`."
    )


def account_of(tree: Tree, user: str, wanted: str | None) -> str:
    """Return the account a job of `user` goes to: the one wanted, else the user's default.

    Raises:
        UsageError: there is no such account, or the user is not in it or in none.
    """
    mine = [a for a in tree.associations if a.user == user]
    if wanted == ROOT and all(a.account != ROOT for a in mine):
        wanted = None  # where a job was queued before there were accounts
    if wanted is not None:
        if any(a.account == wanted for a in mine):
            return wanted
        shown = fit(clean(wanted), 40)
        if all(account.name != wanted for account in tree.accounts):
            raise UsageError(no_account(wanted, tree))
        known = ", ".join(sorted(a.account for a in mine))
        use = f"use one of {known}" if known else f"`gpuq admin user add {user} --account {shown}` puts them there"
        raise UsageError(f"User {user} is not in the account '{shown}': {use}.")
    default = next((a.account for a in mine if a.is_default), None)
    if default is None and len(mine) == 1:
        default = mine[0].account
    if not mine:
        raise UsageError(
            f"User {user} is in no account, so may not queue: an administrator's "
            f"`gpuq admin user add {user} --account NAME --default` changes that."
        )
    if default is None:
        raise UsageError(f"User {user} has no default account: name one with --account.")
    return default


def no_account(name: str, tree: Tree) -> str:
    """Return what is said of a name that no account has."""
    near = hint(name, (account.name for account in tree.accounts), "`gpuq share` lists those there are.")
    return f"There is no account '{fit(clean(name), 40)}': {near}"


def removal_refusal(tree: Tree, name: str, jobs_by_account: Mapping[str, int]) -> str | None:
    """Return why the account cannot be deleted, in one sentence, or None. Jobs are those not ended."""
    if name == ROOT:
        return "The root account cannot be deleted."
    if all(account.name != name for account in tree.accounts):
        return no_account(name, tree)
    below = [account.name for account in tree.accounts if account.parent == name]
    if below:
        return f"Account {name} has accounts below it ({', '.join(sorted(below))}): delete or move them first."
    jobs = jobs_by_account.get(name, 0)
    if jobs:
        are = "job that has" if jobs == 1 else "jobs that have"
        return f"Account {name} has {jobs} {are} not ended: cancel or move them first."
    return None


def _bad_accounts(tree: Tree) -> str | None:
    parents = tree.parents()
    twice = _twice([account.name for account in tree.accounts])
    if twice:
        return f"Account {twice} is there twice: give each account a name of its own."
    if parents.get(ROOT, "") is not None:
        return "There is no root account: every tree needs one, without a parent."
    for account in tree.accounts:
        if account.parent is None and account.name != ROOT:
            return f"Account {account.name} has no parent: put it below `root`."
        if account.parent is not None and account.parent not in parents:
            near = hint(account.parent, parents, "create it first.")
            return f"Account {account.name} lies below '{account.parent}', which does not exist: {near}"
        if _depth(account.name, parents) is None:
            return f"Account {account.name} lies below itself or deeper than {DEEPEST} levels: choose another parent."
    return None


def _bad_associations(tree: Tree) -> str | None:
    names = {account.name for account in tree.accounts}
    twice = _twice([f"{a.user} in {a.account}" for a in tree.associations])
    if twice:
        return f"User {twice} is there twice: a user is in an account once."
    for a in tree.associations:
        if a.account not in names:
            return f"There is no account '{a.account}' for user {a.user}: {hint(a.account, names, 'create it first.')}"
    twice = _twice([a.user for a in tree.associations if a.is_default])
    return f"User {twice} has two default accounts: choose one." if twice else None


def _bad_shares(tree: Tree) -> str | None:
    for name, shares in [
        *((f"account {a.name}", a.shares) for a in tree.accounts),
        *((f"user {a.user} in {a.account}", a.shares) for a in tree.associations),
    ]:
        if shares is not None and not 0 <= shares <= MOST_SHARES:
            return f"The shares of {name} are {shares}: give a whole number from 0 to {MOST_SHARES}, or `parent`."
    return None


def _depth(name: str, parents: Mapping[str, str | None]) -> int | None:
    above: str | None = name
    for depth in range(DEEPEST + 1):
        if above is None or above not in parents:
            return depth
        above = parents[above]
    return None


def _twice(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
