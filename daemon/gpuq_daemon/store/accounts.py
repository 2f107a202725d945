"""What operators decide, kept: accounts, users, QOS, limits, reservations, drained nodes; and what was used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from sqlite_utils import Database as Tables

from gpuq.errors import NotFoundError, UsageError
from gpuq.near import hint
from gpuq.sharing import Drain
from gpuq.units import plural
from gpuq_daemon.policy.accounts import ROOT, Account, Association, Tree, no_account, problem, removal_refusal
from gpuq_daemon.policy.limits import Limit, Limits, Scope
from gpuq_daemon.policy.reservation import Reservation, refusal
from gpuq_daemon.policy.rules import Qos, Rules, checked
from gpuq_daemon.policy.usage import Usage, merged
from gpuq_daemon.store import accounts_rows as rows
from gpuq_daemon.store.accounts_rows import Ask, asking
from gpuq_daemon.store.database import Database

T = TypeVar("T")
DEFAULT_QOS = "normal"


class AccountStore:
    """What operators decided. Every change is checked and made in one transaction: one that is refused changes nothing.

    Questions are answered from what is committed; what they are answered with is not to be changed, and `version` is
    another one after each change. Changes raise UsageError for what makes no sense and NotFoundError
    for what is not there. Names come checked.
    """

    def __init__(self, database: Database) -> None:
        self._db = self.database = database
        self._known: dict[str, Any] = {}
        self.version = 0

    def _remembered(self, what: str, read: Callable[[Ask], T]) -> T:
        """Return what is read once after each change: it is asked for at every submit."""
        if what not in self._known:
            self._known[what] = read(self._db.rows)
        return self._known[what]

    def _forget(self) -> None:
        self._known.clear()
        self.version += 1

    def tree(self) -> Tree:
        """Return the accounts and who belongs to them."""
        return self._remembered("tree", rows.read_tree)

    def qos(self) -> dict[str, Qos]:
        """Return every QOS by name."""
        return self._remembered("qos", rows.read_qos)

    def limits(self, period_s: float) -> Limits:
        """Return all limits; those in GPU-hours are for periods of `period_s`."""
        return rows.as_limits(self.limits_by_scope(), self.tree(), period_s)

    def limits_by_scope(self) -> dict[Scope, Limit]:
        """Return what each limited scope may have."""
        return self._remembered("limits", rows.read_limits)

    def reservations(self) -> tuple[Reservation, ...]:
        """Return the reservations by start; those that have ended go when the next one is made."""
        return self._remembered("reservations", rows.read_reservations)

    def drains(self) -> dict[str, str]:
        """Return why each drained node was taken out."""
        return {drain.node: drain.reason for drain in self.drained()}

    def drained(self) -> tuple[Drain, ...]:
        """Return the drained nodes by name, with when and by whom."""
        return self._remembered("drains", rows.read_drains)

    def ledger(self) -> dict[tuple[str, str], Usage]:
        """Return what was charged so far by (account, user), of jobs that no longer run."""
        return rows.read_ledger(self._db.rows)

    async def add_account(self, new: Account) -> None:
        """Make an account."""

        def change(tables: Tables, ask: Ask) -> None:
            tree = rows.read_tree(ask)
            if any(account.name == new.name for account in tree.accounts):
                raise UsageError(f"There is an account {new.name} already: `gpuq admin account modify` changes it.")
            _check(replace(tree, accounts=(*tree.accounts, new)))
            tables.execute("INSERT INTO accounts (name, parent, shares) VALUES (:name, :parent, :shares)", asdict(new))

        await self._change(change)

    async def modify_account(self, name: str, changed: Callable[[Account], Account]) -> Account:
        """Put what `changed` makes of the account in its place, and return that. The name stays."""

        def change(tables: Tables, ask: Ask) -> Account:
            tree = rows.read_tree(ask)
            new = changed(_account(tree, name))
            if name == ROOT:
                raise UsageError("The root account has neither a parent nor shares of its own: change those below it.")
            _check(replace(tree, accounts=tuple(new if a.name == name else a for a in tree.accounts)))
            tables.execute("UPDATE accounts SET parent = :parent, shares = :shares WHERE name = :name", asdict(new))
            return new

        return await self._change(change)

    async def delete_account(self, name: str) -> None:
        """Delete an account that has nothing below it, with its limits. What was used in it is remembered."""

        def change(tables: Tables, ask: Ask) -> None:
            tree = rows.read_tree(ask)
            refused = removal_refusal(tree, name, {name: rows.count_open_jobs(ask, account=name)})
            users = sorted(a.user for a in tree.associations if a.account == name)
            if refused is None and users:
                refused = f"Account {name} has users ({_some(users)}): delete them from it first."
            qos = [one for one, its in rows.read_qos(ask).items() if name in its.accounts]
            if refused is None and qos:
                refused = f"Account {name} is one that may use QOS {qos[0]}: change that with `gpuq admin qos modify`."
            if refused is not None:
                raise UsageError(refused)
            tables.execute("DELETE FROM limits WHERE kind = 'account' AND name = :name", {"name": name})
            tables.execute("DELETE FROM accounts WHERE name = :name", {"name": name})

        await self._change(change)

    async def add_association(self, new: Association) -> Association:
        """Put a user into an account and return how; a user's first account is its default."""

        def change(tables: Tables, ask: Ask) -> Association:
            tree = rows.read_tree(ask)
            mine = [a for a in tree.associations if a.user == new.user]
            if any(a.account == new.account for a in mine):
                raise UsageError(
                    f"User {new.user} is in the account {new.account} already: `gpuq admin share` changes the shares."
                )
            added = replace(new, is_default=new.is_default or not mine)
            kept = tuple(_less_default(a, added) for a in tree.associations)
            _check(replace(tree, associations=(*kept, added)))
            _make_room(tables, added)
            tables.execute(
                """INSERT INTO associations (user, account, shares, is_default)
                   VALUES (:user, :account, :shares, :is_default)""",
                asdict(added),
            )
            return added

        return await self._change(change)

    async def modify_association(
        self, user: str, account: str, changed: Callable[[Association], Association]
    ) -> Association:
        """Put what `changed` makes of a user's place in an account there, and return that. The names stay."""

        def change(tables: Tables, ask: Ask) -> Association:
            tree = rows.read_tree(ask)
            old = _association(tree, user, account)
            new = changed(old)
            _check(
                replace(tree, associations=tuple(new if a == old else _less_default(a, new) for a in tree.associations))
            )
            _make_room(tables, new)
            tables.execute(
                """UPDATE associations SET shares = :shares, is_default = :is_default
                   WHERE user = :user AND account = :account""",
                asdict(new),
            )
            return new

        return await self._change(change)

    async def delete_association(self, user: str, account: str) -> None:
        """Take a user out of an account. The one account that is left becomes the default."""

        def change(tables: Tables, ask: Ask) -> None:
            tree = rows.read_tree(ask)
            old = _association(tree, user, account)
            jobs = rows.count_open_jobs(ask, account=account, user=user)
            if jobs:
                raise UsageError(
                    f"User {user} has {plural(jobs, 'job')} in the account {account} that did not end: "
                    "cancel or wait for them first."
                )
            left = sorted(a.account for a in tree.associations if a.user == user and a.account != account)
            if old.is_default and len(left) > 1:
                raise UsageError(
                    f"Account {account} is the default of user {user}: "
                    f"choose another ({_some(left)}) with `gpuq admin user default` first."
                )
            tables.execute(
                "DELETE FROM associations WHERE user = :user AND account = :account", {"user": user, "account": account}
            )
            if len(left) == 1:
                tables.execute("UPDATE associations SET is_default = 1 WHERE user = :user", {"user": user})

        await self._change(change)

    async def add_qos(self, name: str, new: Qos) -> None:
        """Make a quality of service."""

        def change(tables: Tables, ask: Ask) -> None:
            if name in rows.read_qos(ask):
                raise UsageError(f"There is a QOS {name} already: `gpuq admin qos modify` changes it.")
            _check_qos(ask, name, new)
            tables.execute(
                "INSERT INTO qos (name, priority, usage_factor, accounts) "
                "VALUES (:name, :priority, :usage_factor, :accounts)",
                _qos_row(name, new),
            )

        await self._change(change)

    async def modify_qos(self, name: str, changed: Callable[[Qos], Qos]) -> Qos:
        """Put what `changed` makes of the QOS in its place, and return that."""

        def change(tables: Tables, ask: Ask) -> Qos:
            new = changed(_qos(ask, name))
            _check_qos(ask, name, new)
            tables.execute(
                "UPDATE qos SET priority = :priority, usage_factor = :usage_factor, accounts = :accounts "
                "WHERE name = :name",
                _qos_row(name, new),
            )
            return new

        return await self._change(change)

    async def delete_qos(self, name: str) -> None:
        """Delete a QOS that no job has, with its limits."""

        def change(tables: Tables, ask: Ask) -> None:
            _qos(ask, name)
            if name == DEFAULT_QOS:
                raise UsageError(f"The QOS {DEFAULT_QOS} cannot be deleted: jobs that name none have it.")
            jobs = rows.count_open_jobs(ask, qos=name)
            if jobs:
                raise UsageError(f"QOS {name} has {plural(jobs, 'job')} that did not end: cancel or move them first.")
            tables.execute("DELETE FROM limits WHERE kind IN ('qos', 'qos_user') AND name = :name", {"name": name})
            tables.execute("DELETE FROM qos WHERE name = :name", {"name": name})

        await self._change(change)

    async def set_limit(self, scope: Scope, changed: Callable[[Limit], Limit]) -> Limit:
        """Put what `changed` makes of a scope's limit in its place, and return that."""

        def change(tables: Tables, ask: Ask) -> Limit:
            _must_exist(ask, scope)
            new = changed(rows.read_limits(ask).get(scope, Limit()))
            tables.execute(
                """INSERT OR REPLACE INTO limits
                       (kind, name, running_gpus, running_jobs, queued_jobs, gpu_hours, longest_s)
                   VALUES (:kind, :name, :running_gpus, :running_jobs, :queued_jobs, :gpu_hours, :longest_s)""",
                {"kind": scope[0], "name": scope[1], **asdict(new)},
            )
            if new == Limit():
                _clear(tables, scope)
            return new

        return await self._change(change)

    async def clear_limit(self, scope: Scope) -> None:
        """Let a scope have what it likes."""

        def change(tables: Tables, ask: Ask) -> None:
            if scope not in rows.read_limits(ask):
                raise NotFoundError(f"There is no limit for {scope[0]}:{scope[1]}; `gpuq admin limit list` shows all.")
            _clear(tables, scope)

        await self._change(change)

    async def add_reservation(self, new: Reservation, *, by_user: str, now: float, nodes: Iterable[str]) -> None:
        """Keep nodes for a time; `nodes` are all there are. Reservations that have ended are forgotten."""

        def change(tables: Tables, ask: Ask) -> None:
            tables.execute("DELETE FROM reservations WHERE end_at <= :now", {"now": now})
            refused = refusal(new, now=now, nodes=nodes, others=rows.read_reservations(ask))
            if refused is not None:
                raise UsageError(refused)
            tree = rows.read_tree(ask)
            for account in sorted(new.accounts):
                _account(tree, account)
            tables.execute(
                """INSERT INTO reservations (name, nodes, start_at, end_at, accounts, users, by_user)
                   VALUES (:name, :nodes, :start_at, :end_at, :accounts, :users, :by_user)""",
                {
                    "name": new.name,
                    "nodes": json.dumps(sorted(new.nodes)),
                    "start_at": new.start_at,
                    "end_at": new.end_at,
                    "accounts": json.dumps(sorted(new.accounts)),
                    "users": json.dumps(sorted(new.users)),
                    "by_user": by_user,
                },
            )

        await self._change(change)

    async def delete_reservation(self, name: str) -> None:
        """Give a reservation's nodes back, if no job waits for it or runs in it."""

        def change(tables: Tables, ask: Ask) -> None:
            if all(one.name != name for one in rows.read_reservations(ask)):
                raise NotFoundError(
                    f"There is no reservation {name}; `gpuq admin reservation list` lists those there are."
                )
            jobs = rows.count_waiting_for(ask, name)
            if jobs:
                raise UsageError(
                    f"The reservation {name} has {plural(jobs, 'job')} that did not end: "
                    "cancel them, or let them use another one, first."
                )
            tables.execute("DELETE FROM reservations WHERE name = :name", {"name": name})

        await self._change(change)

    async def drain(self, new: Drain) -> None:
        """Let a node take no new job; a reason given before is replaced."""

        def change(tables: Tables, _: Ask) -> None:
            tables.execute(
                """INSERT OR REPLACE INTO drains (node, reason, since, by_user)
                   VALUES (:node, :reason, :since, :by_user)""",
                asdict(new),
            )

        await self._change(change)

    async def resume(self, node: str) -> None:
        """Let a drained node take jobs again."""

        def change(tables: Tables, ask: Ask) -> None:
            if all(drain.node != node for drain in rows.read_drains(ask)):
                raise NotFoundError(f"Node {node} is not drained; `gpuq admin node list` lists those that are.")
            tables.execute("DELETE FROM drains WHERE node = :node", {"node": node})

        await self._change(change)

    async def _change(self, change: Callable[[Tables, Ask], T]) -> T:
        made = asyncio.ensure_future(self._db.write(lambda tables: change(tables, asking(tables))))
        # Also when who asked has gone: what was remembered until the commit is out of date.
        made.add_done_callback(lambda _: self._forget())
        return await asyncio.shield(made)


def charge(tables: Tables, account: str, user: str, used: Usage, half_life_s: float) -> None:
    """Add usage to the ledger; for the transaction that ends what was used."""
    before = rows.read_charged(asking(tables), account, user)
    together = used if before is None else merged(before, used, half_life_s)
    tables.execute(
        "INSERT OR REPLACE INTO usage (account, user, amount, at) VALUES (:account, :user, :amount, :at)",
        {"account": account, "user": user, "amount": together.amount, "at": together.at},
    )


def _check(tree: Tree) -> None:
    wrong = problem(tree)
    if wrong is not None:
        raise UsageError(wrong)


def _account(tree: Tree, name: str) -> Account:
    for account in tree.accounts:
        if account.name == name:
            return account
    raise NotFoundError(no_account(name, tree))


def _association(tree: Tree, user: str, account: str) -> Association:
    _account(tree, account)
    for association in tree.associations:
        if (association.user, association.account) == (user, account):
            return association
    raise NotFoundError(f"User {user} is not in the account {account}: `gpuq admin user list` shows who is where.")


def _check_qos(ask: Ask, name: str, new: Qos) -> None:
    checked(Rules(qos={name: new}))
    known = {account.name for account in rows.read_tree(ask).accounts}
    for account in new.accounts:
        if account not in known:
            raise UsageError(f"There is no account {account}: {hint(account, known, '`gpuq share` lists them.')}")
    if name == DEFAULT_QOS and new.accounts:
        raise UsageError(f"The QOS {DEFAULT_QOS} is for all accounts: jobs that name none have it.")


def _qos_row(name: str, qos: Qos) -> dict[str, object]:
    return {**asdict(qos), "name": name, "accounts": " ".join(qos.accounts)}


def _qos(ask: Ask, name: str) -> Qos:
    found: Mapping[str, Qos] = rows.read_qos(ask)
    if name not in found:
        raise NotFoundError(f"There is no QOS '{name}'; there is {', '.join(found)}.")
    return found[name]


def _must_exist(ask: Ask, scope: Scope) -> None:
    kind, name = scope
    match kind:
        case "account":
            _account(rows.read_tree(ask), name)
        case "qos" | "qos_user":
            _qos(ask, name)
        case _:
            known = {a.user for a in rows.read_tree(ask).associations}
            if known and name not in known:
                raise NotFoundError(f"User {name} is in no account: `gpuq admin user list` shows who is.")


def _less_default(other: Association, new: Association) -> Association:
    return replace(other, is_default=False) if new.is_default and other.user == new.user else other


def _make_room(tables: Tables, new: Association) -> None:
    if new.is_default:
        tables.execute("UPDATE associations SET is_default = 0 WHERE user = :user", {"user": new.user})


def _clear(tables: Tables, scope: Scope) -> None:
    tables.execute("DELETE FROM limits WHERE kind = :kind AND name = :name", {"kind": scope[0], "name": scope[1]})


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"
