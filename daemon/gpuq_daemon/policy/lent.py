"""What accounts and users have lent each other: GPU time that one had less than its due, and others more."""

from __future__ import annotations

from collections.abc import Iterator
from math import log2

from gpuq.sharing import LentRow
from gpuq_daemon.policy.accounts import ROOT, Tree
from gpuq_daemon.policy.fairtree import Shares
from gpuq_daemon.policy.tiers.ledger import UNIT
from gpuq_daemon.policy.tiers.settings import Owed, TierState

_FORGOTTEN_S = 3600.0  # less than a GPU-hour is as good as nothing
_LEAST_S = 1.0


def lent_by_tiers(state: TierState, now: float, half_life_s: float) -> list[LentRow]:
    """Return the ledger of the tiers as of now, accounts before their users; what is nothing is left out."""
    at = now if state.at is None else state.at
    rows: list[LentRow] = []
    for path, owed in sorted(state.owed.items(), key=lambda one: _order(one[0])):
        account, user = _whose(path)
        unit_s = owed_at(owed, now - at, half_life_s).unit_s
        rows.append(_row(account, user, unit_s / UNIT, owed.rate / UNIT, half_life_s))
    return [row for row in rows if row.lent_gpu_s or row.borrowed_gpu_s or row.rate_gpus]


def lent_by_shares(tree: Tree, shares: Shares, half_life_s: float) -> list[LentRow]:
    """Return what usage is over, or under, what is due of the usage of the account above; nothing grows here."""
    return [row for row in _by_shares(tree, shares, half_life_s) if row.lent_gpu_s or row.borrowed_gpu_s]


def owed_at(owed: Owed, elapsed_s: float, half_life_s: float) -> Owed:
    """Return what is owed after a while: it fades, and grows at its rate."""
    elapsed = max(0.0, elapsed_s)
    return Owed(unit_s=owed.unit_s * 2.0 ** (-elapsed / half_life_s) + owed.rate * elapsed, rate=owed.rate)


def after_a_rest(state: TierState, now: float, half_life_s: float) -> TierState:
    """Return a ledger that nobody kept up since its `at`: it has faded, and nothing was added."""
    if state.at is None:
        return state
    fading = 2.0 ** (-max(0.0, now - state.at) / half_life_s)
    owed = {path: Owed(unit_s=one.unit_s * fading, rate=0.0) for path, one in state.owed.items()}
    return TierState(at=now, owed=owed, guarded=state.guarded, ideal_unit_s=state.ideal_unit_s * fading, ideal_rate=0.0)


def _by_shares(tree: Tree, shares: Shares, half_life_s: float) -> Iterator[LentRow]:
    parents = tree.parents()
    for name, share in sorted(shares.accounts.items()):
        above = parents.get(name)
        if name != ROOT and above is not None and share.level_fs is not None:
            whole = shares.accounts[above].usage
            yield _row(name, None, share.due * whole - share.usage, 0.0, half_life_s)
        for (account, user), one in sorted(shares.users.items()):
            if account == name and one.level_fs is not None:
                yield _row(name, user, one.due * share.usage - one.usage, 0.0, half_life_s)


def _row(account: str, user: str | None, owed_gpu_s: float, rate: float, half_life_s: float) -> LentRow:
    amount = owed_gpu_s if abs(owed_gpu_s) >= _LEAST_S else 0.0
    gone = None if rate else half_life_s * max(0.0, log2(max(abs(amount), _FORGOTTEN_S) / _FORGOTTEN_S))
    return LentRow(
        account=account,
        user=user,
        lent_gpu_s=max(0.0, amount),
        borrowed_gpu_s=max(0.0, -amount),
        rate_gpus=rate,
        gone_in_s=gone,
    )


def _whose(path: str) -> tuple[str, str | None]:
    above, _, name = path.rpartition("/")
    if name.startswith("u:"):
        return above.rpartition("/")[2].removeprefix("a:") or ROOT, name[2:]
    return name.removeprefix("a:"), None


def _order(path: str) -> tuple[tuple[bool, str], ...]:
    return tuple((part.startswith("a:"), part) for part in path.split("/"))
