"""Every point of every job's series, and how far its event files are read. All SQL on `metrics.db` is here."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import Any, cast

from gpuq.errors import NotFoundError
from gpuq.models import Curve, Progress, Series, SeriesKind
from gpuq_daemon.series.chunk import POINTS_PER_CHUNK, pack, pack_histogram, unpack, unpack_histogram
from gpuq_daemon.series.points import Batch, FilePosition, HistogramPoint, ScalarPoint, SeriesKey
from gpuq_daemon.series.standing import standing_for
from gpuq_daemon.series.thin import Axis, thin, unpacked

MAX_HISTOGRAMS = 200
_TREND_POINTS = 10
_SERIES = "job_id, attempt, rank, run, tag, kind, count, first_step, last_step, last_wall_time, last_value"


class MetricsStore:
    """One SQLite file with one writer and one reader connection, each behind its own lock.

    Methods block and may be called from any thread. A commit survives the death of the process; the last ones
    may be lost when the machine itself fails, and are then read from the event files again.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`, made if missing, and bring its tables up to date."""
        self._writer, self._writing = _open(path), Lock()
        _migrate(self._writer)
        self._reader, self._reading = _open(path), Lock()

    def close(self) -> None:
        """Close the file; wait for a call in another thread to end first."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    def append(self, batch: Batch) -> bool:
        """Store a batch's points and file positions, all or nothing.

        Returns False, with nothing changed, if the files do not stand where the batch begins: it is stored
        already, or another reader was quicker. Begin anew from `positions`.
        """
        with self._transaction() as db:
            if not _continues(db, batch):
                return False
            for key, points in batch.scalars.items():
                if points:
                    _append_scalars(db, batch, key, points)
            for key, histograms in batch.histograms.items():
                if histograms:
                    _append_histograms(db, batch, key, histograms)
            for position in batch.positions:
                _put_position(db, batch, position)
        return True

    def positions(self, job_id: int, attempt: int) -> dict[str, FilePosition]:
        """Return how far each event file of an attempt is read, by path."""
        with self._snapshot() as db:
            return _positions(db, job_id, attempt)

    def damage(self, job_id: int) -> int:
        """Return how many records of the job's event files are lost to damage, one for each held file included."""
        sql = "SELECT coalesce(sum(skipped + is_held), 0) FROM event_file WHERE job_id = :job_id"
        with self._snapshot() as db:
            return db.execute(sql, {"job_id": job_id}).fetchone()[0]

    def series(self, job_id: int) -> list[Series]:
        """Return the job's series: newest attempt first, then by rank, run and tag."""
        with self._snapshot() as db:
            return [series for _, series in _series(db, job_id)]

    def curve(
        self,
        job_id: int,
        tag: str,
        rank: int | None = None,
        run: str | None = None,
        attempt: int | None = None,
        columns: int = 200,
        x: Axis = "step",
    ) -> Curve:
        """Return a scalar series thinned to `columns`; of several that match, the first as in `series`.

        Raises:
            NotFoundError: the job has no such scalar.
        """
        with self._snapshot() as db:
            row, series = _find(db, job_id, tag, SeriesKind.SCALAR, rank, run, attempt)
            sql = "SELECT points, count FROM chunk WHERE series_id = :id ORDER BY number"
            thinned = thin(unpacked(db.execute(sql, {"id": row})), columns, x)
        return Curve(
            series=series,
            steps=thinned.steps,
            wall_times=thinned.wall_times,
            low=thinned.low,
            high=thinned.high,
            last=thinned.last,
            count=thinned.count,
            nan_count=thinned.nan_count,
        )

    def histograms(
        self,
        job_id: int,
        tag: str,
        rank: int | None = None,
        run: str | None = None,
        attempt: int | None = None,
        at_most: int = MAX_HISTOGRAMS,
    ) -> tuple[Series, tuple[HistogramPoint, ...]]:
        """Return a histogram series by step, evenly picked if there are more than `at_most`, newest included.

        Raises:
            NotFoundError: the job has no such histogram.
        """
        sql = """
            WITH ordered AS (
              SELECT point, row_number() OVER (ORDER BY step, number) - 1 AS i, count(*) OVER () AS n
              FROM histogram WHERE series_id = :id
            )
            SELECT point FROM ordered
            WHERE n <= :at_most OR (i + 1) * :at_most / n > i * :at_most / n
            ORDER BY i"""
        with self._snapshot() as db:
            row, series = _find(db, job_id, tag, SeriesKind.HISTOGRAM, rank, run, attempt)
            rows = db.execute(sql, {"id": row, "at_most": max(at_most, 1)}).fetchall()
        return series, tuple(unpack_histogram(point) for (point,) in rows)

    def progress(self, job_id: int) -> Progress | None:
        """Return the newest point of the scalar that stands for the job's newest attempt, None without scalars.

        `previous` is the value ten points before it, or of the first point, for the trend.
        """
        with self._snapshot() as db:
            found = _series(db, job_id)
            newest = {s: row for row, s in sorted(found, key=lambda f: f[0]) if s.attempt == found[0][1].attempt}
            series = standing_for(newest)
            if series is None or series.last_value is None:
                return None
            previous = _value_before(db, newest[series], _TREND_POINTS)
        return Progress(
            tag=series.tag,
            step=series.last_step,
            value=series.last_value,
            wall_time=series.last_wall_time,
            previous=previous,
        )

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def _snapshot(self) -> Generator[sqlite3.Connection]:
        """Let several questions see the same state of the file."""
        with self._reading:
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("ROLLBACK")


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _migrate(db: sqlite3.Connection) -> None:
    """Apply the numbered files that this file has not seen; `user_version` is the last number applied."""
    folder = resources.files("gpuq_daemon.store").joinpath("schema", "metrics")
    done: int = db.execute("PRAGMA user_version").fetchone()[0]
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        number = int(file.name[:4]) if file.name.endswith(".sql") else 0
        if number > done:
            db.executescript(f"BEGIN IMMEDIATE; {file.read_text()}; PRAGMA user_version = {number}; COMMIT;")


def _positions(db: sqlite3.Connection, job_id: int, attempt: int) -> dict[str, FilePosition]:
    sql = """
        SELECT path, identity, offset, skipped, oversized, is_held FROM event_file
        WHERE job_id = :job_id AND attempt = :attempt"""
    rows: list[tuple[str, str, int, int, int, int]] = db.execute(sql, {"job_id": job_id, "attempt": attempt}).fetchall()
    return {
        path: FilePosition(
            path=path,
            identity=identity,
            offset=offset,
            skipped=skipped,
            oversized=oversized,
            is_held=bool(is_held),
        )
        for path, identity, offset, skipped, oversized, is_held in rows
    }


def _continues(db: sqlite3.Connection, batch: Batch) -> bool:
    """Whether all files of the batch stand where it begins."""
    stored = _positions(db, batch.job_id, batch.attempt)
    return all(stored.get(p.path) == batch.before.get(p.path) for p in batch.positions)


def _put_position(db: sqlite3.Connection, batch: Batch, position: FilePosition) -> None:
    sql = """
        INSERT OR REPLACE INTO event_file
          (job_id, attempt, path, identity, offset, skipped, oversized, is_held)
        VALUES (:job_id, :attempt, :path, :identity, :offset, :skipped, :oversized, :is_held)"""
    values = {"job_id": batch.job_id, "attempt": batch.attempt, "is_held": int(position.is_held)}
    for name in ("path", "identity", "offset", "skipped", "oversized"):
        values[name] = getattr(position, name)
    db.execute(sql, values)


def _grow(
    db: sqlite3.Connection,
    batch: Batch,
    key: SeriesKey,
    steps: list[int],
    last: ScalarPoint | HistogramPoint,
) -> int:
    """Count new points in their series' row, made if missing, and return its id; `last` is the newest of them."""
    sql = """
        INSERT INTO series (job_id, attempt, rank, run, tag, kind, count, first_step, last_step,
                            last_wall_time, last_value)
        VALUES (:job_id, :attempt, :rank, :run, :tag, :kind, :count, :first_step, :last_step,
                :last_wall_time, :last_value)
        ON CONFLICT (job_id, attempt, rank, run, tag, kind) DO UPDATE SET
          count = count + excluded.count,
          first_step = min(first_step, excluded.first_step),
          last_step = iif(excluded.last_wall_time >= last_wall_time, excluded.last_step, last_step),
          last_value = iif(excluded.last_wall_time >= last_wall_time, excluded.last_value, last_value),
          last_wall_time = max(last_wall_time, excluded.last_wall_time)
        RETURNING id"""
    if isinstance(last, HistogramPoint):
        last_step, last_wall_time, last_value = last.step, last.wall_time, None
    else:
        last_step, last_wall_time, last_value = last
    values = {
        "job_id": batch.job_id,
        "attempt": batch.attempt,
        "rank": key.rank,
        "run": key.run,
        "tag": key.tag,
        "kind": str(key.kind),
        "count": len(steps),
        "first_step": min(steps),
        "last_step": last_step,
        "last_wall_time": last_wall_time,
        "last_value": last_value,
    }
    return db.execute(sql, values).fetchone()[0]


def _append_scalars(db: sqlite3.Connection, batch: Batch, key: SeriesKey, points: list[ScalarPoint]) -> None:
    """Add points behind the series' last chunk.

    A chunk at the end that is no larger than what follows it is merged with it, like the digits of a binary
    counter: a point is rewritten at most 12 times, and a series has at most that many small chunks.
    """
    newest = max(reversed(points), key=lambda p: p[1])
    row = _grow(db, batch, key, [p[0] for p in points], newest)
    last = """
        SELECT number, count, points FROM chunk WHERE series_id = :id AND count < :full
          AND number = (SELECT max(number) FROM chunk WHERE series_id = :id)"""
    number: int = db.execute(
        "SELECT coalesce(max(number), -1) + 1 FROM chunk WHERE series_id = :id", {"id": row}
    ).fetchone()[0]
    while found := db.execute(last, {"id": row, "full": POINTS_PER_CHUNK}).fetchone():
        if found[1] > len(points):
            break
        number = found[0]
        points = unpack(found[2], found[1]) + points
        db.execute("DELETE FROM chunk WHERE series_id = :id AND number = :number", {"id": row, "number": number})
    insert = "INSERT INTO chunk (series_id, number, count, points) VALUES (:id, :number, :count, :points)"
    for start in range(0, len(points), POINTS_PER_CHUNK):
        part = points[start : start + POINTS_PER_CHUNK]
        db.execute(insert, {"id": row, "number": number, "count": len(part), "points": pack(part)})
        number += 1


def _append_histograms(db: sqlite3.Connection, batch: Batch, key: SeriesKey, points: list[HistogramPoint]) -> None:
    newest = max(reversed(points), key=lambda p: p.wall_time)
    row = _grow(db, batch, key, [p.step for p in points], newest)
    sql = """
        INSERT INTO histogram (series_id, number, step, point)
        SELECT :id, coalesce(max(number), -1) + 1, :step, :point FROM histogram WHERE series_id = :id"""
    db.executemany(sql, ({"id": row, "step": p.step, "point": pack_histogram(p)} for p in points))


def _series(db: sqlite3.Connection, job_id: int) -> list[tuple[int, Series]]:
    """Return row ids and series: newest attempt first, then by rank, run, tag."""
    sql = f"SELECT id, {_SERIES} FROM series WHERE job_id = :job_id ORDER BY attempt DESC, rank, run, tag, kind"
    return [(row[0], _to_series(row[1:])) for row in db.execute(sql, {"job_id": job_id})]


def _to_series(row: tuple[Any, ...]) -> Series:
    job_id, attempt, rank, run, tag, kind, count, first_step, last_step, last_wall_time, last_value = row
    kind = SeriesKind(kind)
    if kind is SeriesKind.SCALAR and last_value is None:
        last_value = float("nan")
    return Series(
        job_id=job_id,
        attempt=attempt,
        rank=rank,
        run=run,
        tag=tag,
        kind=kind,
        count=count,
        first_step=first_step,
        last_step=last_step,
        last_wall_time=last_wall_time,
        last_value=last_value,
    )


def _find(
    db: sqlite3.Connection,
    job_id: int,
    tag: str,
    kind: SeriesKind,
    rank: int | None,
    run: str | None,
    attempt: int | None,
) -> tuple[int, Series]:
    """Return the first series that matches, newest attempt first.

    Raises:
        NotFoundError: none does.
    """
    sql = f"""
        SELECT id, {_SERIES} FROM series
        WHERE job_id = :job_id AND tag = :tag AND kind = :kind
          AND (:rank IS NULL OR rank = :rank) AND (:run IS NULL OR run = :run)
          AND (:attempt IS NULL OR attempt = :attempt)
        ORDER BY attempt DESC, rank, run LIMIT 1"""
    asked = {"job_id": job_id, "tag": tag, "kind": str(kind), "rank": rank, "run": run, "attempt": attempt}
    row = db.execute(sql, asked).fetchone()
    if row is None:
        raise NotFoundError(
            f"Job {job_id} has no {kind} {tag!r} there; see which tags it has with `gpuq plot {job_id}`."
        )
    return row[0], _to_series(row[1:])


def _value_before(db: sqlite3.Connection, row: int, points: int) -> float | None:
    """Return the value that was written `points` before the last one, or the first; None if there is only one."""
    sql = "SELECT points, count FROM chunk WHERE series_id = :id ORDER BY number DESC"
    rows = cast(Iterable[tuple[bytes, int]], db.execute(sql, {"id": row}))
    value, seen = None, 0
    for blob, count in rows:
        if seen + count > 1:
            value = unpack(blob, count)[max(count - 1 - (points - seen), 0)][2]
        seen += count
        if seen > points:
            break
    return value
