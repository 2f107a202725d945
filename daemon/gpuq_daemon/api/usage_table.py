"""What was used as a table that other programs read: Parquet, Arrow, CSV. pyarrow is imported on first use."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from io import BytesIO
from typing import Any, Literal

from gpuq.text import inert

Format = Literal["parquet", "arrow", "csv"]


def table_bytes(by: Sequence[str], rows: Sequence[Any], kind: type, form: Format) -> bytes:
    """Return rows of one kind, each with a `period` and its `key` in the order of `by`, as the bytes of a file."""
    pa = import_module("pyarrow")
    types = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}
    columns = {"period": pa.array([row.period for row in rows], pa.string())}
    cell = inert if form == "csv" else str
    columns |= {name: pa.array([cell(row.key[place]) for row in rows], pa.string()) for place, name in enumerate(by)}
    for name, hint in kind.__annotations__.items():
        if name not in ("key", "period"):
            columns[name] = pa.array([getattr(row, name) for row in rows], types[hint.split(" ")[0]])
    made, held = pa.table(columns), BytesIO()
    match form:
        case "parquet":
            import_module("pyarrow.parquet").write_table(made, held, compression="zstd")
        case "arrow":
            with pa.ipc.new_stream(held, made.schema) as writer:
                writer.write_table(made)
        case "csv":
            import_module("pyarrow.csv").write_csv(made, held)
    return held.getvalue()
