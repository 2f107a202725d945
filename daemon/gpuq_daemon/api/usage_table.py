"""What was used as a table that other programs read: Parquet, Arrow, CSV. pyarrow is imported on first use."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from io import BytesIO
from typing import Any, Literal

Format = Literal["parquet", "arrow", "csv"]
_HOURS = ("gpu_s", "failed_gpu_s", "lost_gpu_s")
_COUNTS = ("jobs", "started")
_WAITS = ("wait_p50_s", "wait_p90_s", "wait_p95_s", "wait_p99_s", "wait_longest_s")


def table_bytes(by: Sequence[str], rows: Sequence[Any], form: Format) -> bytes:
    """Return rows of use, each with its `key` in the order of `by`, as the bytes of a file."""
    pa = import_module("pyarrow")
    columns = {
        "period": pa.array([row.period for row in rows], pa.string()),
        **{name: pa.array([row.key[place] for row in rows], pa.string()) for place, name in enumerate(by)},
        **{name: pa.array([getattr(row, name) for row in rows], pa.float64()) for name in (*_HOURS, *_WAITS)},
        **{name: pa.array([getattr(row, name) for row in rows], pa.int64()) for name in _COUNTS},
    }
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
