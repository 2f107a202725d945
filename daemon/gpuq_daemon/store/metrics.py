"""Every point of every job's series, and how far its event files are read. All SQL on `metrics.db` is here."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import Literal

from gpuq.models import Hparam, Progress, Signal
from gpuq.summaries import SAMPLED, Curve, Picture, Restart, Series, SeriesKind, Text
from gpuq_daemon.series.chunk import unpack_histogram
from gpuq_daemon.series.growing import Kept
from gpuq_daemon.series.points import Batch, FilePosition, HistogramPoint
from gpuq_daemon.series.restarts import Course, course
from gpuq_daemon.series.signals import Signals
from gpuq_daemon.series.standing import standing_for
from gpuq_daemon.series.thin import Axis, Columns, thin, unpacked
from gpuq_daemon.store import metrics_notes as noted
from gpuq_daemon.store import metrics_rows as rows
from gpuq_daemon.store.copies import prepare
from gpuq_daemon.store.metrics_notes import Lies
from gpuq_daemon.store.opening import readable, told
from gpuq_daemon.vitals import Vitals

MAX_HISTOGRAMS = 200
MAX_RESTARTS = 100
"""A curve tells the newest of them; a script may go back at every other step."""
_TREND_POINTS = 10
_CHUNKS_AT_ONCE = 64
_MAX_TOLD = 10_000
_MAX_WATCHES = 10_000
_PAGE_BYTES = 16 * 1024
_INCREMENTAL = 2  # Source: sqlite.org/pragma.html#pragma_auto_vacuum


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a list of jobs tells of a job's points: how far it is, what is wrong, and how many records are damaged."""

    progress: Progress | None
    signals: tuple[Signal, ...]
    damaged: int


class MetricsStore:
    """One SQLite file with one writer and one reader connection, each behind its own lock.

    Methods block and may be called from any thread. A commit survives the death of the process; the last ones
    may be lost when the machine itself fails, and are then read from the event files again.
    """

    def __init__(self, path: Path, *, vitals: Vitals | None = None) -> None:
        """Open `path`, made if missing, and bring its tables up to date."""
        measured = vitals or Vitals()
        self._commits, self._queries = measured.commits["metrics.db"], measured.queries["metrics.db"]
        self._path = path
        prepare(path, "metrics")
        with readable(path):
            self._writer, self._writing = _open(path), Lock()
            _migrate(self._writer)
            self._reader, self._reading = _open(path), Lock()
        self._told: dict[int, Told] = {}
        self._watches: dict[tuple[int, int], Signals] = {}
        self._kept = Kept()

    def close(self) -> None:
        """Close the file; wait for a call in another thread to end first."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    def append(self, batch: Batch) -> bool:
        """Store a batch's points and file positions, all or nothing.

        Returns False, with nothing changed, if the files do not stand where the batch begins: it is stored
        already, or another reader was quicker. Begin anew from `positions`.

        Raises:
            FullError: there is no room for it; nothing of it is stored.
            UnavailableError: the file cannot be written.
        """
        with self._transaction() as db:
            if not rows.continues(db, batch):
                return False
            signals = self._watching(db, batch).look(batch.scalars)
            for key, points in batch.scalars.items():
                if points:
                    rows.append_scalars(db, batch, key, points)
            for key, histograms in batch.histograms.items():
                if histograms:
                    rows.append_histograms(db, batch, key, histograms)
            if batch.notes:
                noted.append_notes(db, batch)
            for position in batch.positions:
                rows.put_position(db, batch, position)
            for signal in signals:
                rows.put_signal(db, batch.job_id, signal)
        with self._reading:
            self._told.pop(batch.job_id, None)
        return True

    def append_samples(self, batch: Batch, signals: Sequence[Signal]) -> bool:
        """Store what was sampled of an attempt, and what it says; all else as `append`. It is no progress of a job."""
        with self._transaction() as db:
            if not rows.continues(db, batch):
                return False
            for key, points in batch.scalars.items():
                rows.append_scalars(db, batch, key, points)
            for position in batch.positions:
                rows.put_position(db, batch, position)
            for signal in signals:
                rows.put_signal(db, batch.job_id, signal)
        if signals:
            with self._reading:
                self._told.pop(batch.job_id, None)
        return True

    def tell(self, job_id: int, signal: Signal) -> None:
        """Keep something that is wrong with an attempt, unless it was said before."""
        with self._transaction() as db:
            rows.put_signal(db, job_id, signal)
        with self._reading:
            self._told.pop(job_id, None)

    def _watching(self, db: sqlite3.Connection, batch: Batch) -> Signals:
        """Return what watches an attempt's points; one that is new here looks at those that are stored first."""
        key = (batch.job_id, batch.attempt)
        if key not in self._watches:
            if len(self._watches) >= _MAX_WATCHES:
                self._watches.clear()
            self._watches[key] = rows.watching(db, *key)
        return self._watches[key]

    def positions(self, job_id: int, attempt: int) -> dict[str, FilePosition]:
        """Return how far each event file of an attempt is read, by path."""
        with self._snapshot() as db:
            return rows.positions(db, job_id, attempt)

    def note_unread(self, job_id: int, attempt: int, uri: str) -> None:
        """Keep in mind that an attempt's event files, below an address, are to be read to their ends.

        Raises:
            UnavailableError: the file cannot be written.
        """
        sql = "INSERT OR REPLACE INTO unread (job_id, attempt, uri) VALUES (:job_id, :attempt, :uri)"
        with self._transaction() as db:
            db.execute(sql, {"job_id": job_id, "attempt": attempt, "uri": uri})

    def note_read(self, job_id: int, attempt: int) -> None:
        """Forget it again: they are read to their ends.

        Raises:
            UnavailableError: the file cannot be written.
        """
        sql = "DELETE FROM unread WHERE job_id = :job_id AND attempt = :attempt"
        with self._transaction() as db:
            db.execute(sql, {"job_id": job_id, "attempt": attempt})

    def unread(self) -> list[tuple[int, int, str]]:
        """Return (job, attempt, address) of what is not read to its end."""
        with self._snapshot() as db:
            return db.execute("SELECT job_id, attempt, uri FROM unread ORDER BY job_id, attempt").fetchall()

    def damage(self, job_id: int) -> int:
        """Return how many records of the job's event files are lost to damage, one for each held file included."""
        with self._snapshot() as db:
            return rows.damage(db, job_id)

    def series(self, job_id: int) -> list[Series]:
        """Return the job's series: newest attempt first, then by rank, run and tag."""
        with self._snapshot() as db:
            return [series for _, series in rows.list_series(db, job_id)]

    def curve(
        self,
        job_id: int,
        tag: str,
        rank: int | None = None,
        run: str | None = None,
        attempt: int | None = None,
        columns: int = 200,
        x: Axis | Literal["relative"] = "step",
        smoothing: float = 0.0,
        *,
        begin: float | None = None,
        end: float | None = None,
    ) -> Curve:
        """Return a scalar thinned to `columns`, over its attempts or of one; of several that match, the first listed.

        `smoothing` is the weight of the past in TensorBoard's average, 0 for none. `begin` and `end` are of the part
        that is wanted: steps, Unix seconds, or ("relative") seconds since the scalar's first point.

        Raises:
            NotFoundError: the job has no such scalar.
        """
        series, found = self.course(job_id, tag, rank, run, attempt)
        points = found.points
        since = float(points.wall_times[0]) if x == "relative" and len(points.steps) else 0.0
        first, last = (None if place is None else since + place for place in (begin, end))
        along = "step" if x == "step" else "wall"
        thinned = thin(points, columns, along, smoothing, begin=first, end=last)
        return Curve(
            series=series,
            steps=thinned.steps,
            wall_times=thinned.wall_times,
            low=thinned.low,
            high=thinned.high,
            last=thinned.last,
            smoothed=thinned.smoothed,
            nans=thinned.nans,
            count=thinned.count,
            nan_count=thinned.nan_count,
            restarts=tuple(
                Restart(step=float(points.steps[at]), wall_time=float(points.wall_times[at]))
                for at in found.restarts[-MAX_RESTARTS:]
            ),
            replaced=found.replaced,
            began_at=float(points.wall_times[0]) if len(points.steps) else None,
        )

    def course(
        self, job_id: int, tag: str, rank: int | None = None, run: str | None = None, attempt: int | None = None
    ) -> tuple[Series, Course]:
        """Return all points of a scalar that stand, over its attempts or of one; the series is the newest attempt's.

        Raises:
            NotFoundError: the job has no such scalar.
        """
        with self._snapshot() as db:
            row, series = rows.find(db, job_id, tag, SeriesKind.SCALAR, rank, run, attempt)
            ids = [row] if attempt is not None else rows.over_attempts(db, series)
            parts = [self._columns(db, job_id, one) for one in ids]
            self._kept.trim()
        return series, course(parts)

    def _columns(self, db: sqlite3.Connection, job_id: int, row: int) -> Columns:
        """Return all points of a series; those that were read before are not read again."""
        kept = self._kept.get((job_id, row))  # rows are numbered anew once they are gone, jobs are not
        first, total, chunks = rows.chunks_from(db, row, kept.count)
        new = unpacked(chunks, total)
        skip = kept.count - first
        kept.append(Columns(steps=new.steps[skip:], wall_times=new.wall_times[skip:], values=new.values[skip:]))
        return kept.columns()

    def histograms(
        self,
        job_id: int,
        tag: str,
        rank: int | None = None,
        run: str | None = None,
        attempt: int | None = None,
        at_most: int = MAX_HISTOGRAMS,
    ) -> tuple[Series, tuple[HistogramPoint, ...]]:
        """Return a histogram by step, over its attempts or of one; evenly picked if there are more than `at_most`.

        The newest is among them. What an attempt writes again takes the place of what was there before.

        Raises:
            NotFoundError: the job has no such histogram.
        """
        with self._snapshot() as db:
            row, series = rows.find(db, job_id, tag, SeriesKind.HISTOGRAM, rank, run, attempt)
            ids = [row] if attempt is not None else rows.over_attempts(db, series)
            points = rows.histograms(db, ids, max(at_most, 1))
        return series, tuple(unpack_histogram(point) for point in points)

    def texts(self, job_id: int, *, at_most: int = 100, **which: str | int | None) -> list[Text]:
        """Return the newest texts of a job in the order written; `which` are `tag`, `rank`, `run` and `attempt`."""
        with self._snapshot() as db:
            return noted.texts(db, _asked(job_id, which), at_most)

    def pictures(self, job_id: int, *, at_most: int = 100, **which: str | int | None) -> list[Picture]:
        """Return the newest pictures of a job in the order written; `which` as for `texts`."""
        with self._snapshot() as db:
            return noted.pictures(db, _asked(job_id, which), at_most)

    def where_picture_lies(self, job_id: int, number: int) -> Lies:
        """Return where a picture of a job lies.

        Raises:
            NotFoundError: the job has no such picture.
        """
        with self._snapshot() as db:
            return noted.where_picture_lies(db, job_id, number)

    def hparams(self, job_id: int) -> tuple[Hparam, ...]:
        """Return the job's hyperparameters as its script told TensorBoard; none where it did not."""
        with self._snapshot() as db:
            return noted.hparams(db, job_id)

    def written(self, series: Series) -> Iterator[Columns]:
        """Yield all points of a scalar as they were written, hundreds of thousands at a time.

        Points that are written meanwhile are among them; nothing is locked between two parts.
        """
        start = 0
        while True:
            with self._snapshot() as db:
                first, chunks = rows.points_from(db, rows.row_of(db, series), start, _CHUNKS_AT_ONCE)
            if not chunks:
                return
            part = unpacked(chunks, sum(count for _, count in chunks))
            new = Columns(
                steps=part.steps[start - first :],
                wall_times=part.wall_times[start - first :],
                values=part.values[start - first :],
            )
            start += len(new.steps)
            yield new

    def written_histograms(self, series: Series) -> Iterator[list[HistogramPoint]]:
        """Yield all distributions of a tag as they were written, some at a time."""
        start = 0
        while True:
            with self._snapshot() as db:
                found = rows.histograms_from(db, rows.row_of(db, series), start, MAX_HISTOGRAMS)
            if not found:
                return
            start += len(found)
            yield [unpack_histogram(point) for point in found]

    def progress(self, job_id: int) -> Progress | None:
        """Return the newest point of the scalar that stands for the job, None if no attempt wrote one.

        It is that of the newest attempt that wrote anything. `previous` is the value ten points before it, or of the
        first point, for the trend.
        """
        return self.told(job_id).progress

    def told(self, job_id: int) -> Told:
        """Return what a list of jobs tells of a job's points. Answered from memory until a batch changes it."""
        if job_id in self._told:
            return self._told[job_id]
        with self._snapshot() as db:
            told = Told(
                progress=_progress(db, job_id), signals=rows.signals(db, job_id), damaged=rows.damage(db, job_id)
            )
            # Still under the reader's lock, so that a batch which is being stored now takes it out again.
            if len(self._told) >= _MAX_TOLD:
                self._told.clear()
            self._told[job_id] = told
        return told

    def pace(self, job_id: int, attempt: int, points: int = 32) -> list[float]:
        """Return when the newest points of the scalar that stands for an attempt were made, the oldest first."""
        with self._snapshot() as db:
            ids = {series: row for row, series in rows.list_series(db, job_id) if series.attempt == attempt}
            series = standing_for(ids)
            return [] if series is None else rows.newest_wall_times(db, ids[series], points)

    def forget(self, job_id: int, *, most: int = 64) -> bool:
        """Remove a job's points, `most` chunks and as many histograms of one series at a time; True once none is left.

        Raises:
            UnavailableError: the file cannot be written; nothing was changed.
        """
        with self._transaction() as db:
            db.execute("DELETE FROM unread WHERE job_id = :job_id", {"job_id": job_id})
            is_gone = rows.forget(db, job_id, most)
        with self._reading:
            self._kept.clear()
            self._told.pop(job_id, None)
        return is_gone

    def shrink(self, *, pages: int = 256) -> bool:
        """Give pages that are free back to the file system, so many at a time; True if there are more.

        A quarter of the file may stay free for points to come. A file made before there was this keeps its pages,
        and uses them again.
        """
        with self._writing, told(self._path):
            free, all_pages, mode = (
                self._writer.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "auto_vacuum")
            )
            if mode != _INCREMENTAL or free * 4 <= all_pages:
                return False
            self._writer.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
            return True

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._writing, told(self._path), self._commits.timed():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                self._watches.clear()  # they may have seen what is not stored
                if self._writer.in_transaction:  # a full disk ends it by itself
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _snapshot(self) -> Generator[sqlite3.Connection]:
        """Let several questions see the same state of the file."""
        with self._reading, told(self._path), self._queries.timed():
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("ROLLBACK")


def _asked(job_id: int, which: Mapping[str, str | int | None]) -> dict[str, str | int | None]:
    return {"job_id": job_id, "tag": None, "rank": None, "run": None, "attempt": None, **which}


def _progress(db: sqlite3.Connection, job_id: int) -> Progress | None:
    written = [one for one in rows.list_series(db, job_id) if one[1].run != SAMPLED]
    found = sorted(written, key=lambda f: f[0])  # as first written
    newest = max((series.attempt for _, series in found), default=0)
    ids = {series: row for row, series in found if series.attempt == newest}
    series = standing_for(ids)
    if series is None or series.last_value is None:
        return None
    return Progress(
        tag=series.tag,
        step=series.last_step,
        value=series.last_value,
        wall_time=series.last_wall_time,
        previous=rows.value_before(db, ids[series], _TREND_POINTS),
    )


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    # Both of a new file, in this order; any other stays as it is. A chunk of points takes five such pages.
    db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
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
