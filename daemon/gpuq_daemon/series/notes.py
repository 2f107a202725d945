"""What event files hold beside numbers: texts, hyperparameters, and where pictures lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

MOST_NOTES = 2000
"""So many of each kind are kept of an attempt, the newest."""

Setting: TypeAlias = str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a tag says at a step; `is_cut` where it was longer than is kept."""

    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hparams:
    """The hyperparameters that a session began with, by name."""

    values: dict[str, Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Where a picture lies: `bytes` bytes at `at` of the event file `path`, while that is the file of `identity`.

    `number` tells apart those that a tag has at one step; width and height are pixels, 0 where they are not known.
    """

    number: int
    width: int
    height: int
    at: int
    bytes: int
    path: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One of them, of a tag at a step."""

    tag: str
    step: int
    wall_time: float
    content: Text | Hparams | Picture
