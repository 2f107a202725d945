"""Routes about accounts, the users in them, and QOS: anyone may look, administrators may change."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated, Any

from litestar import Request, delete, get, patch, post
from msgspec import Meta, Struct

from gpuq.sharing import AccountRow, Member, QosRow
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.names import checked_name, checked_user
from gpuq_daemon.api.recording import note
from gpuq_daemon.api.roles import administrator
from gpuq_daemon.policy.accounts import ROOT, Account, Association, parse_shares
from gpuq_daemon.policy.rules import Qos

# What is below zero is refused with a sentence of its own; these keep the numbers such that they can be kept.
_Priority = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
_Factor = Annotated[float, Meta(ge=-1e6, le=1e6)]


class Done(Struct):
    """What was changed or deleted, by name."""

    name: str


class Accounts(Struct):
    """Accounts by name, and who is in them by user and account."""

    accounts: list[AccountRow]
    members: list[Member]


class NewAccount(Struct, forbid_unknown_fields=True):
    """An account to make. `shares` is a whole number as text, or `parent`."""

    name: str
    parent: str = ROOT
    shares: str = "1"


class AccountChange(Struct, forbid_unknown_fields=True):
    """What to change of an account; None stays."""

    parent: str | None = None
    shares: str | None = None


class NewMember(Struct, forbid_unknown_fields=True):
    """A user to put into an account."""

    user: str
    account: str
    shares: str = "1"
    is_default: bool = False


class MemberChange(Struct, forbid_unknown_fields=True):
    """What to change of a user's place in an account; None stays."""

    shares: str | None = None
    is_default: bool = False


class QosList(Struct):
    """Every QOS by name."""

    qos: list[QosRow]


_Names = Annotated[tuple[str, ...], Meta(max_length=1000)]


class NewQos(Struct, forbid_unknown_fields=True):
    """A QOS to make."""

    name: str
    priority: _Priority = 0
    usage_factor: _Factor = 1.0
    accounts: _Names = ()


class QosChange(Struct, forbid_unknown_fields=True):
    """What to change of a QOS; None stays."""

    priority: _Priority | None = None
    usage_factor: _Factor | None = None
    accounts: _Names | None = None


@get("/v1/accounts")
async def list_accounts(request: Request[Any, Any, Any], desk: Desk) -> Accounts:
    """Return the accounts and who is in them; to those who see what is their own, where they are themselves."""
    who = caller(request)
    tree = desk.accounts.tree()
    users = Counter(a.account for a in tree.associations)
    return Accounts(
        accounts=[
            AccountRow(name=a.name, parent=a.parent, shares=a.shares, users=users[a.name]) for a in tree.accounts
        ],
        members=[_member(a) for a in tree.associations if who.may_see(a.user)],
    )


@post("/v1/accounts")
async def add_account(request: Request[Any, Any, Any], desk: Desk, data: NewAccount) -> Done:
    """Make an account."""
    administrator(request)
    name = checked_name(data.name, "account")
    note(request, target=name, change=f"parent {data.parent}, shares {data.shares}")
    await desk.accounts.add_account(Account(name=name, parent=data.parent, shares=parse_shares(data.shares)))
    desk.rules_changed()
    return Done(name)


@patch("/v1/accounts/{name:str}")
async def modify_account(request: Request[Any, Any, Any], desk: Desk, name: str, data: AccountChange) -> Done:
    """Change an account's shares or what it lies below."""
    administrator(request)
    named = {} if data.parent is None else {"parent": data.parent}
    shares = {} if data.shares is None else {"shares": parse_shares(data.shares)}
    entry = note(request)
    await desk.accounts.modify_account(name, lambda old: entry.told(old, replace(old, **named, **shares)))
    desk.rules_changed()
    return Done(name)


@delete("/v1/accounts/{name:str}", status_code=200)
async def delete_account(request: Request[Any, Any, Any], desk: Desk, name: str) -> Done:
    """Delete an account that is empty and has no jobs."""
    administrator(request)
    await desk.accounts.delete_account(name)
    desk.rules_changed()
    return Done(name)


@post("/v1/members")
async def add_member(request: Request[Any, Any, Any], desk: Desk, data: NewMember) -> Member:
    """Put a user into an account."""
    administrator(request)
    new = Association(
        user=checked_user(data.user),
        account=data.account,
        shares=parse_shares(data.shares),
        is_default=data.is_default,
    )
    note(request, target=f"{new.account}/{new.user}", change=f"shares {data.shares}")
    added = await desk.accounts.add_association(new)
    desk.rules_changed()
    return _member(added)


@patch("/v1/members/{account:str}/{user:str}")
async def modify_member(
    request: Request[Any, Any, Any], desk: Desk, account: str, user: str, data: MemberChange
) -> Member:
    """Change a user's shares in an account, or make that the default one."""
    administrator(request)
    shares = {} if data.shares is None else {"shares": parse_shares(data.shares)}
    entry = note(request)
    new = await desk.accounts.modify_association(
        user,
        account,
        lambda old: entry.told(old, replace(old, **shares, is_default=old.is_default or data.is_default)),
    )
    desk.rules_changed()
    return _member(new)


@delete("/v1/members/{account:str}/{user:str}", status_code=200)
async def delete_member(request: Request[Any, Any, Any], desk: Desk, account: str, user: str) -> Done:
    """Take a user out of an account."""
    administrator(request)
    await desk.accounts.delete_association(user, account)
    desk.rules_changed()
    return Done(f"{account}/{user}")


@get("/v1/qos")
async def list_qos(desk: Desk) -> QosList:
    """Return every QOS."""
    return QosList([_qos(name, qos) for name, qos in desk.accounts.qos().items()])


@post("/v1/qos")
async def add_qos(request: Request[Any, Any, Any], desk: Desk, data: NewQos) -> QosRow:
    """Make a QOS."""
    administrator(request)
    name = checked_name(data.name, "QOS")
    new = Qos(priority=data.priority, usage_factor=data.usage_factor, accounts=_account_names(data.accounts))
    note(request, target=name, change=f"priority {new.priority}, usage factor {new.usage_factor:g}")
    await desk.accounts.add_qos(name, new)
    desk.rules_changed()
    return _qos(name, new)


@patch("/v1/qos/{name:str}")
async def modify_qos(request: Request[Any, Any, Any], desk: Desk, name: str, data: QosChange) -> QosRow:
    """Change a QOS."""
    administrator(request)
    entry = note(request)
    new = await desk.accounts.modify_qos(
        name,
        lambda old: entry.told(
            old,
            Qos(
                priority=old.priority if data.priority is None else data.priority,
                usage_factor=old.usage_factor if data.usage_factor is None else data.usage_factor,
                accounts=old.accounts if data.accounts is None else _account_names(data.accounts),
            ),
        ),
    )
    desk.rules_changed()
    return _qos(name, new)


@delete("/v1/qos/{name:str}", status_code=200)
async def delete_qos(request: Request[Any, Any, Any], desk: Desk, name: str) -> Done:
    """Delete a QOS that no job has."""
    administrator(request)
    await desk.accounts.delete_qos(name)
    desk.rules_changed()
    return Done(name)


def _member(a: Association) -> Member:
    return Member(user=a.user, account=a.account, shares=a.shares, is_default=a.is_default)


def _qos(name: str, qos: Qos) -> QosRow:
    return QosRow(name=name, priority=qos.priority, usage_factor=qos.usage_factor, accounts=qos.accounts)


def _account_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({checked_name(name, "account") for name in names}))
