"""Points as tables that other programs read: Arrow, Parquet, CSV. pyarrow is imported on first use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from io import BytesIO
from typing import Any, Literal, TypeAlias

from gpuq.summaries import Series, SeriesKind
from gpuq.text import inert
from gpuq_daemon.series.points import HistogramPoint
from gpuq_daemon.series.thin import Columns

Format: TypeAlias = Literal["arrow", "parquet", "csv"]
Rows: TypeAlias = Any
"""A `pyarrow.RecordBatch`: pyarrow has no types."""
_WHOSE = ("job_id", "attempt", "rank", "run", "tag")


def schema(kind: SeriesKind) -> Any:
    """Return the columns: of scalars a row a point, of distributions a row a step with one edge more than counts."""
    pa = _arrow()
    whose = zip(_WHOSE, (pa.int64(), pa.int32(), pa.int32(), pa.string(), pa.string()), strict=True)
    at = [("step", pa.int64()), ("wall_time", pa.float64())]
    if kind is SeriesKind.SCALAR:
        return pa.schema([*whose, *at, ("value", pa.float64())])
    return pa.schema([*whose, *at, ("edges", pa.list_(pa.float64())), ("counts", pa.list_(pa.float64()))])


def scalars(series: Series, points: Columns) -> Rows:
    """Return points of a scalar as rows."""
    return _rows(series, (points.whole_steps, points.wall_times, points.values))


def histograms(series: Series, points: list[HistogramPoint]) -> Rows:
    """Return distributions as rows."""
    columns = ([getattr(point, name) for point in points] for name in ("step", "wall_time", "edges", "counts"))
    return _rows(series, tuple(columns))


def _rows(series: Series, columns: tuple[Any, ...]) -> Rows:
    pa, form = _arrow(), schema(series.kind)
    count = len(columns[0])
    whose = [pa.repeat(pa.scalar(getattr(series, name), form.field(name).type), count) for name in _WHOSE]
    kinds = form.types[len(_WHOSE) :]
    return pa.record_batch(
        [*whose, *(pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True))], schema=form
    )


def _inert(batch: Rows) -> Rows:
    """Return rows of one series with a run and a tag that no spreadsheet takes for a formula."""
    pa, count = _arrow(), batch.num_rows
    for place, name in enumerate(_WHOSE):
        if name in ("run", "tag") and count:
            word = batch.column(place)[0].as_py()
            batch = batch.set_column(place, name, pa.repeat(pa.scalar(inert(word), pa.string()), count))
    return batch


def written(form: Format, kind: SeriesKind, batches: Iterable[Rows]) -> Iterator[bytes]:
    """Yield the bytes of a table of such rows while it is written; never more than some rows are held."""
    held = BytesIO()
    match form:
        case "arrow":
            writer = _arrow().ipc.new_stream(held, schema(kind))
        case "parquet":
            parquet: Any = import_module("pyarrow.parquet")
            writer = parquet.ParquetWriter(_Forward(held), schema(kind), compression="zstd")
        case "csv":
            csv: Any = import_module("pyarrow.csv")
            writer = csv.CSVWriter(held, schema(kind))
            batches = map(_inert, batches)
    for batch in batches:
        writer.write_batch(batch)
        yield _taken(held)
    writer.close()
    yield _taken(held)


def _taken(held: BytesIO) -> bytes:
    data = held.getvalue()
    held.seek(0)
    held.truncate()
    return data


def _arrow() -> Any:
    return import_module("pyarrow")


class _Forward:
    """A file whose beginning is given away while it is written; Parquet asks how far it is."""

    def __init__(self, held: BytesIO) -> None:
        self._held = held
        self._written = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Add bytes."""
        self._written += len(data)
        return self._held.write(data)

    def tell(self) -> int:
        """Return how much was written, of all."""
        return self._written

    def flush(self) -> None:
        """Need nothing."""

    def close(self) -> None:
        """Take no more."""
        self.closed = True

    def writable(self) -> bool:
        """Say yes."""
        return True

    def readable(self) -> bool:
        """Say no."""
        return False

    def seekable(self) -> bool:
        """Say no."""
        return False
