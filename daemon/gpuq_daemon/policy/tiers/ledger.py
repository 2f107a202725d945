"""Who should have how much of the cluster, by weighted max-min down the tree, and who is owed what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from math import inf
from typing import Protocol

from gpuq_daemon.policy.accounts import ROOT, Tree
from gpuq_daemon.policy.tiers.settings import Owed, Tiers, TierState

UNIT = 1000  # a GPU of weight 1; whole numbers come back to zero exactly
_LEAST_SHARES = 1e-6
_DUST_UNIT_S = 1.0


class Headed(Protocol):
    """Jobs in an order."""

    def head_runs(self) -> bool | None:
        """Return whether the first runs; None if there is none."""
        ...


class Branch:
    """An account, or a user in one (a leaf), with what it wants, holds, should have and is owed.

    `demand` is what its waiting and running jobs ask for, `held` what its running ones have. `used` and `weight` are
    those of the pass: what it has been given so far, and what it may have. `line` leads from here up to the top.
    """

    __slots__ = (
        "active",
        "demand",
        "heap",
        "held",
        "ideal",
        "line",
        "mix",
        "owed",
        "parent",
        "path",
        "rate",
        "shares",
        "used",
        "weight",
    )

    def __init__(self, path: str, parent: Branch | None, shares: float) -> None:
        self.path = path
        self.parent = parent
        self.line: tuple[Branch, ...] = (self,) if parent is None else (self, *parent.line)
        self.shares = max(shares, _LEAST_SHARES)
        self.active: dict[str, Branch] = {}
        self.demand = 0
        self.held = 0
        self.ideal = self.owed = self.rate = self.weight = 0.0
        self.used = 0.0
        self.mix: Headed | None = None
        self.heap: list[tuple[float, str, Branch]] = []

    def is_below(self) -> bool:
        """Return whether it, and every account above, has not been given more than it may have."""
        return all(one.used <= one.weight or one.parent is None for one in self.line)


class Ledger:
    """The tree with what everybody wants and has. Changed as jobs come and go; `open` and `close` enclose a pass."""

    def __init__(self, tree: Tree, tiers: Tiers, capacity: int, state: TierState) -> None:
        self._tiers = tiers
        self._capacity = capacity
        self._accounts = {account.name: account for account in tree.accounts}
        self._user_shares = {(a.account, a.user): a.shares for a in tree.associations}
        self.root = Branch("", None, 1.0)
        self._branches: dict[str, Branch] = {"": self.root}
        self._leaves: dict[tuple[str, str], Branch] = {}
        self._live: dict[str, Branch] = {}
        self._state = state
        for path, owed in state.owed.items():
            branch = self._at(path)
            branch.owed, branch.rate = owed.unit_s, owed.rate
            self._live[path] = branch
        self._at_time = state.at
        self._ideal_unit_s, self._ideal_rate = state.ideal_unit_s, state.ideal_rate

    def leaf(self, account: str, user: str) -> Branch:
        """Return a user in an account. Accounts whose shares are `parent` are passed over."""
        found = self._leaves.get((account, user))
        if found is None:
            names = [f"u:{user}"]
            above: str | None = account
            while above is not None and above != ROOT:
                known = self._accounts.get(above)
                if known is None or known.shares is not None:
                    names.append(f"a:{above}")
                above = None if known is None else known.parent
            found = self._leaves[account, user] = self._at("/".join(reversed(names)))
        return found

    def _at(self, path: str) -> Branch:
        found = self._branches.get(path)
        if found is None:
            above, _, name = path.rpartition("/")
            parent = self._at(above)
            found = self._branches[path] = Branch(path, parent, self._shares_of(above, name))
        return found

    def _shares_of(self, above: str, name: str) -> float:
        if name.startswith("u:"):
            account = above.rpartition("/")[2].removeprefix("a:")
            shares = self._user_shares.get((account or ROOT, name[2:]), 1)
        else:
            known = self._accounts.get(name[2:])
            shares = 1 if known is None else known.shares
        return 1.0 if shares is None else float(shares)

    def want(self, leaf: Branch, units: int) -> None:
        """Add to what a leaf, and so all above it, asks for; below zero takes it back."""
        for branch in leaf.line:
            branch.demand += units
            if branch.parent is not None:
                if branch.demand:
                    branch.parent.active[branch.path] = branch
                    self._live[branch.path] = branch
                else:
                    branch.parent.active.pop(branch.path, None)

    def hold(self, leaf: Branch, units: int) -> None:
        """Add to what a leaf holds; below zero takes it back."""
        for branch in leaf.line:
            branch.held += units

    # --- a pass

    def open(self, now: float) -> float:
        """Bring everything up to `now`; return by which part of it the shares of the top were missed lately."""
        tiers = self._tiers
        elapsed = 0.0 if self._at_time is None else max(0.0, now - self._at_time)
        fading = 2.0 ** (-elapsed / tiers.half_life_s)
        self._at_time = now
        self._ideal_unit_s = self._ideal_unit_s * fading + self._ideal_rate * elapsed
        missed = 0.0
        for path, branch in list(self._live.items()):
            branch.owed = branch.owed * fading + branch.rate * elapsed
            if not branch.demand and (branch.owed > 0 or branch.owed > -_DUST_UNIT_S):
                branch.owed = branch.rate = branch.ideal = 0.0
                del self._live[path]
            if branch.parent is self.root:
                missed += abs(branch.owed)
            branch.used = 0.0
            branch.ideal = 0.0
            branch.mix = None
        self._fill(self.root, min(self._capacity, self.root.demand))
        self.root.used = 0.0
        for branch in self._live.values():
            branch.weight = max(branch.ideal + branch.owed / tiers.repay_s, 0.1 * branch.ideal)
        return missed / self._ideal_unit_s if self._ideal_unit_s > 0 else 0.0

    def _fill(self, branch: Branch, amount: float) -> None:
        """Give what is there to those below who want something, by weighted max-min."""
        branch.ideal = amount
        shares = sum(one.shares for one in branch.active.values())
        for one in sorted(branch.active.values(), key=lambda one: one.demand / one.shares):
            given = min(float(one.demand), amount * one.shares / shares if shares > 0 else 0.0)
            if one.active:
                self._fill(one, given)
            else:
                one.ideal = given
            amount -= given
            shares -= one.shares

    def give(self, leaf: Branch, units: float) -> None:
        """Count what the pass gives to a leaf."""
        for branch in leaf.line:
            branch.used += units

    def close(self, changed: Iterable[tuple[Branch, int]], guarded: frozenset[int]) -> TierState:
        """Return what to remember; `changed` is what the pass's starts and stops change of what is held."""
        planned: dict[str, int] = {}
        for leaf, units in changed:
            for branch in leaf.line:
                planned[branch.path] = planned.get(branch.path, 0) + units
        for path, branch in self._live.items():
            branch.rate = branch.ideal - branch.held - planned.get(path, 0)
        self._ideal_rate = self.root.ideal
        self._state = TierState(
            at=self._at_time,
            owed=_Told(self._live),
            guarded=guarded,
            ideal_unit_s=self._ideal_unit_s,
            ideal_rate=self._ideal_rate,
        )
        return self._state

    # --- whose turn it is

    def turns(self, leaves: Iterable[Branch]) -> Turns:
        """Return the turns of leaves that have something in their `mix`."""
        return Turns(self.root, leaves, self._tiers.hysteresis)


class Turns:
    """Leaf after leaf, whoever is furthest below what it may have, account by account down the tree."""

    def __init__(self, root: Branch, leaves: Iterable[Branch], hysteresis: float) -> None:
        self._root = root
        self._hysteresis = hysteresis
        members: dict[str, dict[str, Branch]] = {}
        inner: dict[str, Branch] = {root.path: root}
        for leaf in leaves:
            for branch in leaf.line:
                if branch.parent is None or branch.path in members.get(branch.parent.path, ()):
                    break
                inner[branch.parent.path] = branch.parent
                members.setdefault(branch.parent.path, {})[branch.path] = branch
        for path in sorted(inner, key=lambda path: -path.count("/") if path else 1):
            branch = inner[path]
            below = members.get(path, {}).values()
            values = ((self._value(one, is_running=bool(self._head_runs(one))), one) for one in below)
            branch.heap = [(value, one.path, one) for value, one in values]
            heapify(branch.heap)

    def next(self) -> Branch | None:
        """Return the leaf whose turn it is, None when nobody has anything left."""
        branch = self._root
        while branch.mix is None:
            if not branch.heap:
                return None
            branch = branch.heap[0][2]
        return branch

    def done(self, leaf: Branch) -> None:
        """Find the leaf its new place, after its turn."""
        branch = leaf
        while (above := branch.parent) is not None:
            runs = self._head_runs(branch)
            if runs is None:
                heappop(above.heap)
            else:
                heapreplace(above.heap, (self._value(branch, is_running=runs), branch.path, branch))
            branch = above

    def _value(self, branch: Branch, *, is_running: bool) -> float:
        over = branch.used / branch.weight if branch.weight > 0 else inf
        return over - self._hysteresis if is_running else over

    def _head_runs(self, branch: Branch) -> bool | None:
        while branch.mix is None:
            if not branch.heap:
                return None
            branch = branch.heap[0][2]
        return branch.mix.head_runs()


class _Told(Mapping[str, Owed]):
    """The ledger as values, made when somebody asks."""

    def __init__(self, live: Mapping[str, Branch]) -> None:
        self._values = {path: (branch.owed, branch.rate) for path, branch in live.items()}

    def __getitem__(self, path: str) -> Owed:
        unit_s, rate = self._values[path]
        return Owed(unit_s=unit_s, rate=rate)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
