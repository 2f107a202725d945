"""Reservations: nodes kept for maintenance or for some, for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gpuq.near import hint
from gpuq.text import clean, fit

LONGEST_S = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """`nodes` are kept from `start_at` to `end_at`: nothing else may run there in between.

    Jobs that name the reservation and belong to one of its accounts, or those below, or users run there, from
    its start to its end. A maintenance window has neither: nobody runs.
    """

    name: str
    nodes: frozenset[str]
    start_at: float
    end_at: float
    accounts: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()

    @property
    def is_maintenance(self) -> bool:
        """Whether nobody may use it."""
        return not self.accounts and not self.users

    def admits(self, user: str, account: str) -> bool:
        """Return whether this user's job in this account may use it."""
        return user in self.users or account in self.accounts


def with_those_below(one: Reservation, parents: Mapping[str, str | None]) -> Reservation:
    """Return the reservation for its accounts and all accounts below them; `parents` is the tree of accounts."""
    if not one.accounts:
        return one
    return replace(one, accounts=one.accounts | {name for name in parents if _is_below(name, one.accounts, parents)})


def _is_below(name: str, accounts: frozenset[str], parents: Mapping[str, str | None]) -> bool:
    above: str | None = name
    while above is not None and above not in accounts:
        above = parents.get(above)
    return above is not None


def no_node(name: str, known: Iterable[str]) -> str:
    """Return what is said of a name that no node has."""
    return f"There is no node '{fit(clean(name), 40)}': {hint(name, known, '`gpuq nodes` lists those there are.')}"


def refusal(new: Reservation, *, now: float, nodes: Iterable[str], others: Iterable[Reservation]) -> str | None:
    """Return why the reservation cannot be made, in one sentence, or None."""
    known = set(nodes)
    if not new.nodes:
        return "A reservation needs nodes: name at least one."
    unknown = sorted(new.nodes - known)
    if unknown:
        return no_node(unknown[0], known)
    if new.end_at <= new.start_at:
        return "The reservation ends before it begins: give an end after its start."
    if new.end_at > now + LONGEST_S:
        return "The reservation ends more than ten years from now: give an earlier end."
    if new.start_at < now:
        return "The reservation begins in the past: give a start from now on."
    for other in others:
        if other.name == new.name:
            return f"There is a reservation {new.name} already: choose another name."
        shared = sorted(new.nodes & other.nodes)
        if shared and new.start_at < other.end_at and other.start_at < new.end_at:
            return (
                f"Node {shared[0]} is kept by the reservation {other.name} in that time: choose other nodes or times."
            )
    return None


def use_refusal(
    name: str, reservations: Iterable[Reservation], *, user: str, account: str, limit_s: int | None, now: float
) -> str | None:
    """Return why a job cannot use the reservation it names, in one sentence, or None."""
    found = next((one for one in reservations if one.name == name), None)
    if found is None or found.end_at <= now:
        return f"There is no reservation '{name}' now or later."
    if not found.admits(user, account):
        return f"The reservation {name} is not for user {user} in account {account}."
    longest = int(found.end_at - max(found.start_at, now))
    if limit_s is None or limit_s > longest:
        return f"A job in the reservation {name} needs a time limit of at most {longest} s: it ends then."
    return None
