"""Rows by column: names once, and what is the same in all rows once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def by_column(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return at least one row, each with a value for each name, as `same` and `columns`: a name is in one of both."""
    same, columns = dict[str, Any](), dict[str, Sequence[Any]]()
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        first = values[0]
        if values.count(first) == len(values):
            same[name] = first
        else:
            columns[name] = values
    return {"same": same, "columns": columns}
