"""Tables that other programs read: in CSV nothing runs in a spreadsheet, elsewhere every text is as it is."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from gpuq.summaries import Series, SeriesKind
from gpuq_daemon.api.usage import UsageRow
from gpuq_daemon.api.usage_table import table_bytes
from gpuq_daemon.series import tables
from gpuq_daemon.series.thin import Columns

_FORMULAS = ("=1+1", "+cmd|x", "-2+3", "@SUM(A1)")
_TWO, _NONE = np.array([-1.0, 2.0]), np.array([])
arrow_csv: Any = import_module("pyarrow.csv")  # pyarrow has no types
parquet: Any = import_module("pyarrow.parquet")


@pytest.mark.parametrize("tag", _FORMULAS)
def test_no_tag_and_no_run_is_a_formula_in_csv(tag: str) -> None:
    points = Columns(steps=_TWO, wall_times=_TWO, values=_TWO)
    nothing = Columns(steps=_NONE, wall_times=_NONE, values=_NONE)
    series = Series(
        job_id=1, attempt=1, rank=0, run=tag, tag=tag, kind=SeriesKind.SCALAR,
        count=2, first_step=-1, last_step=2, last_wall_time=0.0,
    )  # fmt: skip
    rows = [tables.scalars(series, points), tables.scalars(series, nothing)]

    in_csv = arrow_csv.read_csv(BytesIO(b"".join(tables.written("csv", SeriesKind.SCALAR, rows))))
    in_parquet = parquet.read_table(BytesIO(b"".join(tables.written("parquet", SeriesKind.SCALAR, rows))))

    assert in_csv.column("tag").to_pylist() == in_csv.column("run").to_pylist() == [f"'{tag}"] * 2
    assert in_csv.column("value").to_pylist() == [-1.0, 2.0]
    assert in_parquet.column("tag").to_pylist() == [tag] * 2


@pytest.mark.parametrize("account", _FORMULAS)
def test_no_account_is_a_formula_in_csv(account: str) -> None:
    row = UsageRow(key=(account,), period=None, gpu_s=1.0, failed_gpu_s=0.0, lost_gpu_s=0.0, jobs=1)

    in_csv = table_bytes(("account",), [row], UsageRow, "csv")
    in_parquet = table_bytes(("account",), [row], UsageRow, "parquet")

    assert arrow_csv.read_csv(BytesIO(in_csv)).column("account").to_pylist() == [f"'{account}"]
    assert parquet.read_table(BytesIO(in_parquet)).column("account").to_pylist() == [account]
