"""Routes about nodes that are kept or taken out: reservations and drains."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from litestar import Request, delete, get, post
from msgspec import Meta, Struct

from gpuq.errors import NotFoundError
from gpuq.sharing import Drain, ReservationRow
from gpuq_daemon.api.accounts import Done
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.names import checked_name, checked_reason, checked_user
from gpuq_daemon.api.recording import note
from gpuq_daemon.api.roles import operator
from gpuq_daemon.policy.reservation import Reservation, no_node

_Moment = Annotated[float, Meta(ge=0)]


class Reservations(Struct):
    """Reservations by start."""

    reservations: list[ReservationRow]


class NewReservation(Struct, forbid_unknown_fields=True):
    """A reservation to make; `start_at` None is now. Without accounts and users it is a maintenance window."""

    name: str
    nodes: list[str]
    end_at: _Moment
    start_at: _Moment | None = None
    accounts: list[str] = []
    users: list[str] = []


class Drains(Struct):
    """Drained nodes by name."""

    drains: list[Drain]


class NewDrain(Struct, forbid_unknown_fields=True):
    """A node to take out, and why."""

    node: str
    reason: str


@get("/v1/reservations")
async def list_reservations(request: Request[Any, Any, Any], desk: Desk) -> Reservations:
    """Return the reservations that have not ended; to those who see what is their own, without others' names."""
    who, now = caller(request), desk.clock.now()
    rows = [_row(one) for one in desk.accounts.reservations() if one.end_at > now]
    return Reservations([replace(row, users=tuple(filter(who.may_see, row.users))) for row in rows])


@post("/v1/reservations")
async def add_reservation(request: Request[Any, Any, Any], desk: Desk, data: NewReservation) -> ReservationRow:
    """Keep nodes for a while."""
    who, now = operator(request), desk.clock.now()
    new = Reservation(
        name=checked_name(data.name, "reservation"),
        nodes=frozenset(data.nodes),
        start_at=now if data.start_at is None else data.start_at,
        end_at=data.end_at,
        accounts=frozenset(data.accounts),
        users=frozenset(checked_user(user) for user in data.users),
    )
    note(request, target=new.name, change=f"{len(new.nodes)} nodes until {new.end_at:.0f}")
    known = [node.name for node in desk.nodes()]
    await desk.accounts.add_reservation(new, by_user=who.user, now=now, nodes=known)
    desk.rules_changed()
    return _row(new)


@delete("/v1/reservations/{name:str}", status_code=200)
async def delete_reservation(request: Request[Any, Any, Any], desk: Desk, name: str) -> Done:
    """Give a reservation's nodes back."""
    operator(request)
    await desk.accounts.delete_reservation(name)
    desk.rules_changed()
    return Done(name)


@get("/v1/drains")
async def list_drains(desk: Desk) -> Drains:
    """Return the drained nodes."""
    return Drains(list(desk.accounts.drained()))


@post("/v1/drains")
async def drain(request: Request[Any, Any, Any], desk: Desk, data: NewDrain) -> Drain:
    """Let a node take no new job; what runs there goes on."""
    who = operator(request)
    names = [node.name for node in desk.nodes()]
    if data.node not in names:
        raise NotFoundError(no_node(data.node, names))
    new = Drain(node=data.node, reason=checked_reason(data.reason), since=desk.clock.now(), by_user=who.user)
    note(request, target=new.node, change=f"drained: {new.reason}")
    await desk.accounts.drain(new)
    desk.rules_changed()
    return new


@delete("/v1/drains/{node:str}", status_code=200)
async def resume(request: Request[Any, Any, Any], desk: Desk, node: str) -> Done:
    """Let a drained node take jobs again."""
    operator(request)
    note(request, change="drained -> in use")
    await desk.accounts.resume(node)
    desk.rules_changed()
    return Done(node)


def _row(one: Reservation) -> ReservationRow:
    return ReservationRow(
        name=one.name,
        nodes=tuple(sorted(one.nodes)),
        start_at=one.start_at,
        end_at=one.end_at,
        accounts=tuple(sorted(one.accounts)),
        users=tuple(sorted(one.users)),
    )
