"""Where in the sequence of events somebody stands."""

from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(r"([0-9a-f]{1,32})-([0-9]{1,18})")


class Position(NamedTuple):
    """The number of an event, counted anew in every epoch: a daemon that is started again begins another one."""

    epoch: str
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"


def parse_position(text: str) -> Position | None:
    """Return what `str` of a position stands for, None if it is not one: to begin anew is the answer to both."""
    found = _FORM.fullmatch(text)
    return None if found is None else Position(found[1], int(found[2]))
