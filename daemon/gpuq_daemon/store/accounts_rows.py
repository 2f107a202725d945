"""What operators decided, read from the tables: the same inside a transaction and from what is committed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlite_utils import Database as Tables

from gpuq.sharing import Drain
from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.limits import Limit, Limits, Scope
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Qos
from gpuq_daemon.policy.usage import Usage

Ask = Callable[[str, dict[str, Any]], list[dict[str, Any]]]


def asking(tables: Tables) -> Ask:
    """Return how to ask inside a transaction: what it has written is seen."""

    def ask(sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        cursor = tables.execute(sql, params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    return ask


def read_tree(ask: Ask) -> Tree:
    """Return all accounts and associations, by name."""
    return Tree(
        accounts=tuple(Account(**row) for row in ask("SELECT name, parent, shares FROM accounts ORDER BY name", {})),
        associations=tuple(
            Association(is_default=bool(row.pop("is_default")), **row)
            for row in ask("SELECT user, account, shares, is_default FROM associations ORDER BY user, account", {})
        ),
    )


def read_qos(ask: Ask) -> dict[str, Qos]:
    """Return every QOS by name."""
    rows = ask("SELECT name, priority, usage_factor, accounts FROM qos ORDER BY name", {})
    return {row.pop("name"): Qos(accounts=tuple(row.pop("accounts").split()), **row) for row in rows}


def read_limits(ask: Ask) -> dict[Scope, Limit]:
    """Return what each limited scope may have."""
    rows = ask(
        """SELECT kind, name, running_gpus, running_jobs, queued_jobs, gpu_hours, longest_s
           FROM limits ORDER BY kind, name""",
        {},
    )
    return {(row.pop("kind"), row.pop("name")): Limit(**row) for row in rows}


def as_limits(found: dict[Scope, Limit], tree: Tree, period_s: float) -> Limits:
    """Return limits by scope as the policy takes them."""

    def of(kind: str) -> dict[str, Limit]:
        return {name: limit for (its_kind, name), limit in found.items() if its_kind == kind}

    return Limits(
        users=of("user"),
        accounts=of("account"),
        qos=of("qos"),
        qos_users=of("qos_user"),
        parents=tree.parents(),
        period_s=period_s,
    )


def read_reservations(ask: Ask) -> tuple[Reservation, ...]:
    """Return the reservations by start, ended ones among them."""
    rows = ask("SELECT name, nodes, start_at, end_at, accounts, users FROM reservations ORDER BY start_at, name", {})
    return tuple(
        Reservation(
            name=row["name"],
            nodes=_names(row["nodes"]),
            start_at=row["start_at"],
            end_at=row["end_at"],
            accounts=_names(row["accounts"]),
            users=_names(row["users"]),
        )
        for row in rows
    )


def read_drains(ask: Ask) -> tuple[Drain, ...]:
    """Return the drained nodes by name."""
    return tuple(Drain(**row) for row in ask("SELECT node, reason, since, by_user FROM drains ORDER BY node", {}))


def read_ledger(ask: Ask) -> dict[tuple[str, str], Usage]:
    """Return what was charged so far, by (account, user)."""
    rows = ask("SELECT account, user, amount, at FROM usage", {})
    return {(row["account"], row["user"]): Usage(amount=row["amount"], at=row["at"]) for row in rows}


def read_charged(ask: Ask, account: str, user: str) -> Usage | None:
    """Return what was charged to one user in an account so far; None if nothing ever was."""
    found = ask(
        "SELECT amount, at FROM usage WHERE account = :account AND user = :user", {"account": account, "user": user}
    )
    return Usage(**found[0]) if found else None


def count_open_jobs(ask: Ask, *, account: str | None = None, user: str | None = None, qos: str | None = None) -> int:
    """Return how many jobs have not ended, of those that are named."""
    return ask(
        """SELECT count(*) AS n FROM jobs
           WHERE state IN ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING')
             AND (:account IS NULL OR account = :account)
             AND (:user IS NULL OR user = :user)
             AND (:qos IS NULL OR qos = :qos)""",
        {"account": account, "user": user, "qos": qos},
    )[0]["n"]


def count_waiting_for(ask: Ask, reservation: str) -> int:
    """Return how many jobs that have not ended name the reservation."""
    return ask(
        """SELECT count(*) AS n FROM jobs
           WHERE state IN ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING') AND reservation = :name""",
        {"name": reservation},
    )[0]["n"]


def _names(array: str) -> frozenset[str]:
    return frozenset(json.loads(array))
