"""Lists that views show and the stream does not tell, as gpuqd answers them."""

from __future__ import annotations

from dataclasses import dataclass

from gpuq.diagnosis import Diagnosis
from gpuq.sharing import AccountRow, Drain, LimitRow, Member, QosRow, ReservationRow, ShareRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Who has used how much of what is due, in the order of the tree; `is_open`: everybody may queue, all alike."""

    at: float
    half_life_s: float
    is_open: bool
    shares: tuple[ShareRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The accounts and who is in them."""

    accounts: tuple[AccountRow, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What was asked for; None for what was not, or was refused."""

    shares: Shares | None = None
    people: People | None = None
    qos: tuple[QosRow, ...] | None = None
    limits: tuple[LimitRow, ...] | None = None
    reservations: tuple[ReservationRow, ...] | None = None
    drains: tuple[Drain, ...] | None = None
    diag: Diagnosis | None = None


LISTED = {"qos": QosRow, "limits": LimitRow, "reservations": ReservationRow, "drains": Drain}
"""The fields of `Lists` that are plain lists, and what is in them; the client answers them by these names."""
