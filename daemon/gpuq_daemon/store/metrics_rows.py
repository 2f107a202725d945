"""Rows of `metrics.db`, one function a question; each runs in the transaction of whoever calls it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, cast

from gpuq.errors import NotFoundError
from gpuq.models import Signal, SignalKind
from gpuq.near import hint
from gpuq.summaries import SAMPLED, Series, SeriesKind
from gpuq.text import clean
from gpuq_daemon.series.chunk import POINTS_PER_CHUNK, pack, pack_columns, pack_histogram, unpack, value_at
from gpuq_daemon.series.points import Batch, FilePosition, HistogramPoint, ScalarPoint, ScalarPoints, SeriesKey
from gpuq_daemon.series.signals import Signals

_SERIES = "job_id, attempt, rank, run, tag, kind, count, first_step, last_step, last_wall_time, last_value"


def positions(db: sqlite3.Connection, job_id: int, attempt: int) -> dict[str, FilePosition]:
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


def continues(db: sqlite3.Connection, batch: Batch) -> bool:
    """Whether all files of the batch stand where it begins."""
    stored = positions(db, batch.job_id, batch.attempt)
    return all(stored.get(p.path) == batch.before.get(p.path) for p in batch.positions)


def put_position(db: sqlite3.Connection, batch: Batch, position: FilePosition) -> None:
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
    count: int,
    first_step: int,
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
        "count": count,
        "first_step": first_step,
        "last_step": last_step,
        "last_wall_time": last_wall_time,
        "last_value": last_value,
    }
    return db.execute(sql, values).fetchone()[0]


def append_scalars(db: sqlite3.Connection, batch: Batch, key: SeriesKey, points: ScalarPoints) -> None:
    """Add points behind the series' last chunk.

    A chunk at the end that is no larger than what follows it is merged with it, like the digits of a binary
    counter: a point is rewritten at most 12 times, and a series has at most that many small chunks.
    """
    row = _grow(db, batch, key, len(points), *_ends(points))
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
        before = ScalarPoints(unpack(found[2], found[1]))
        before.extend(points)
        points = before
        db.execute("DELETE FROM chunk WHERE series_id = :id AND number = :number", {"id": row, "number": number})
    insert = "INSERT INTO chunk (series_id, number, count, points) VALUES (:id, :number, :count, :points)"
    for place, (count, blob) in enumerate(_blobs(points), number):
        db.execute(insert, {"id": row, "number": place, "count": count, "points": blob})


def _ends(points: ScalarPoints) -> tuple[int, ScalarPoint]:
    """Return the first step, and the point of the newest wall time: of several, the one written last."""
    if not points.has_columns:
        rows = list(points)
        return min(p[0] for p in rows), max(reversed(rows), key=lambda p: p[1])
    columns = points.columns()
    newest = len(columns) - 1 - int(columns.wall_times[::-1].argmax())
    last = (int(columns.steps[newest]), float(columns.wall_times[newest]), float(columns.values[newest]))
    return int(columns.steps.min()), last


def _blobs(points: ScalarPoints) -> Iterable[tuple[int, bytes]]:
    """Return the points as the blobs of chunks, with their counts; without numpy where it is not loaded yet."""
    if points.has_columns:
        return pack_columns(points.columns())
    rows = list(points)
    parts = (rows[start : start + POINTS_PER_CHUNK] for start in range(0, len(rows), POINTS_PER_CHUNK))
    return ((len(part), pack(part)) for part in parts)


def append_histograms(db: sqlite3.Connection, batch: Batch, key: SeriesKey, points: list[HistogramPoint]) -> None:
    newest = max(reversed(points), key=lambda p: p.wall_time)
    row = _grow(db, batch, key, len(points), min(p.step for p in points), newest)
    sql = """
        INSERT INTO histogram (series_id, number, step, point)
        SELECT :id, coalesce(max(number), -1) + 1, :step, :point FROM histogram WHERE series_id = :id"""
    db.executemany(sql, ({"id": row, "step": p.step, "point": pack_histogram(p)} for p in points))


def list_series(db: sqlite3.Connection, job_id: int) -> list[tuple[int, Series]]:
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


def find(
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
        others = "SELECT DISTINCT tag FROM series WHERE job_id = :job_id AND kind = :kind LIMIT 1000"
        known = [str(one) for (one,) in db.execute(others, asked) if one != tag]
        there = hint(tag, known, f"`gpuq plot --list {job_id}` shows what it has, and where.")
        raise NotFoundError(f"Job {job_id} has no {kind} {tag!r} there; {clean(there)}")
    return row[0], _to_series(row[1:])


def damage(db: sqlite3.Connection, job_id: int) -> int:
    """Return how many records of the job's event files are lost to damage, one for each held file included."""
    sql = "SELECT coalesce(sum(skipped + is_held), 0) FROM event_file WHERE job_id = :job_id"
    return db.execute(sql, {"job_id": job_id}).fetchone()[0]


def put_signal(db: sqlite3.Connection, job_id: int, signal: Signal) -> None:
    """Keep what points said, unless it was said before."""
    sql = """
        INSERT OR IGNORE INTO signal (job_id, attempt, kind, rank, tag, step, wall_time, text)
        VALUES (:job_id, :attempt, :kind, :rank, :tag, :step, :wall_time, :text)"""
    db.execute(sql, {**asdict(signal), "kind": str(signal.kind), "job_id": job_id})


def watching(db: sqlite3.Connection, job_id: int, attempt: int) -> Signals:
    """Return what watches an attempt's points, having seen all that are stored."""
    told = "SELECT kind, rank FROM signal WHERE job_id = :job_id AND attempt = :attempt"
    asked = {"job_id": job_id, "attempt": attempt}
    found = Signals(attempt=attempt, told={(SignalKind(kind), rank) for kind, rank in db.execute(told, asked)})
    for row, series in list_series(db, job_id):
        if series.attempt == attempt and series.kind is SeriesKind.SCALAR and series.run != SAMPLED:
            points = ScalarPoints()
            for blob, count in db.execute(
                "SELECT points, count FROM chunk WHERE series_id = ? ORDER BY number", (row,)
            ):
                points.extend(ScalarPoints(unpack(blob, count)))
            key = SeriesKey(rank=series.rank, run=series.run, tag=series.tag, kind=series.kind)
            found.look({key: points})
    return found


def signals(db: sqlite3.Connection, job_id: int) -> tuple[Signal, ...]:
    """Return what the points of the newest attempt that wrote any, or of which anything is told, say, by time."""
    sql = """
        SELECT kind, attempt, rank, tag, step, wall_time, text FROM signal
        WHERE job_id = :job_id AND attempt = (SELECT max(attempt) FROM (
            SELECT attempt FROM series WHERE job_id = :job_id UNION ALL
            SELECT attempt FROM signal WHERE job_id = :job_id))
        ORDER BY wall_time, kind, rank"""
    names = ("attempt", "rank", "tag", "step", "wall_time", "text")
    found = db.execute(sql, {"job_id": job_id}).fetchall()
    return tuple(Signal(kind=SignalKind(kind), **dict(zip(names, rest, strict=True))) for kind, *rest in found)


def row_of(db: sqlite3.Connection, series: Series) -> int:
    """Return the row id of a series; -1, which has no points, where it is gone."""
    sql = """
        SELECT id FROM series WHERE job_id = :job_id AND attempt = :attempt AND rank = :rank AND run = :run
          AND tag = :tag AND kind = :kind"""
    asked = {name: getattr(series, name) for name in ("job_id", "attempt", "rank", "run", "tag")}
    row = db.execute(sql, {**asked, "kind": str(series.kind)}).fetchone()
    return -1 if row is None else row[0]


def over_attempts(db: sqlite3.Connection, series: Series) -> list[int]:
    """Return the row ids of a series in all attempts up to its own, the oldest first."""
    sql = """
        SELECT id FROM series
        WHERE job_id = :job_id AND tag = :tag AND kind = :kind AND rank = :rank AND run = :run AND attempt <= :attempt
        ORDER BY attempt"""
    asked = {name: getattr(series, name) for name in ("job_id", "tag", "rank", "run", "attempt")}
    return [row for (row,) in db.execute(sql, {**asked, "kind": str(series.kind)})]


def points_from(db: sqlite3.Connection, row: int, start: int, chunks: int) -> tuple[int, list[tuple[bytes, int]]]:
    """Return some chunks of a series from that with point number `start` on, and which number their first point has.

    Points have their numbers for ever: chunks are merged, but in their order.
    """
    sql = """
        SELECT points, count, upto - count FROM (
          SELECT number, points, count, sum(count) OVER (ORDER BY number) AS upto FROM chunk WHERE series_id = :id
        ) WHERE upto > :start ORDER BY number LIMIT :chunks"""
    found: list[tuple[bytes, int, int]] = db.execute(sql, {"id": row, "start": start, "chunks": chunks}).fetchall()
    return (found[0][2] if found else start), [(points, count) for points, count, _ in found]


def chunks_from(db: sqlite3.Connection, row: int, start: int) -> tuple[int, int, Iterator[tuple[bytes, int]]]:
    """Return the chunks of a series from that with point number `start` on, as they are read.

    Before them which number their first point has, and how many points they are.
    """
    first = number = total = 0
    for place, count in db.execute("SELECT number, count FROM chunk WHERE series_id = ? ORDER BY number", (row,)):
        if not total and first + count <= start:
            first, number = first + count, place + 1
        else:
            total += count
    sql = "SELECT points, count FROM chunk WHERE series_id = ? AND number >= ? ORDER BY number"
    return first, total, db.execute(sql, (row, number))


def histograms_from(db: sqlite3.Connection, row: int, start: int, at_most: int) -> list[bytes]:
    """Return some distributions of a series from number `start` on, in the order written."""
    sql = "SELECT point FROM histogram WHERE series_id = :id AND number >= :start ORDER BY number LIMIT :at_most"
    return [point for (point,) in db.execute(sql, {"id": row, "start": start, "at_most": at_most})]


def histograms(db: sqlite3.Connection, ids: list[int], at_most: int) -> list[bytes]:
    """Return the distributions of one series' rows, by step, evenly picked if there are more than `at_most`.

    Of each row only those count whose step is before all that later rows have.
    """
    sql = """
        WITH attempt AS (SELECT value AS id, key AS place FROM json_each(:ids)),
        begin AS (
          SELECT place, min(step) AS step FROM attempt JOIN histogram ON series_id = id GROUP BY place
        ),
        ordered AS (
          SELECT point, row_number() OVER (ORDER BY histogram.step, place, number) - 1 AS i, count(*) OVER () AS n
          FROM attempt JOIN histogram ON series_id = id
          WHERE NOT EXISTS (SELECT 1 FROM begin WHERE begin.place > attempt.place AND begin.step <= histogram.step)
        )
        SELECT point FROM ordered
        WHERE n <= :at_most OR (i + 1) * :at_most / n > i * :at_most / n
        ORDER BY i"""
    return [point for (point,) in db.execute(sql, {"ids": json.dumps(ids), "at_most": at_most})]


def value_before(db: sqlite3.Connection, row: int, points: int) -> float | None:
    """Return the value that was written `points` before the last one, or the first; None if there is only one."""
    sql = "SELECT points, count FROM chunk WHERE series_id = :id ORDER BY number DESC"
    rows = cast(Iterable[tuple[bytes, int]], db.execute(sql, {"id": row}))
    value, seen = None, 0
    for blob, count in rows:
        if seen + count > 1:
            value = value_at(blob, count, max(count - 1 - (points - seen), 0))
        seen += count
        if seen > points:
            break
    return value


def newest_wall_times(db: sqlite3.Connection, row: int, points: int) -> list[float]:
    """Return the wall times of the last points of a series, in the order written; one chunk or two are read."""
    sql = "SELECT points, count FROM chunk WHERE series_id = :id ORDER BY number DESC LIMIT 2"
    found: list[float] = []
    for blob, count in cast(Iterable[tuple[bytes, int]], db.execute(sql, {"id": row})):
        found = [wall_time for _, wall_time, _ in unpack(blob, count)[-points:]] + found
        if len(found) >= points:
            break
    return found[-points:]


def forget(db: sqlite3.Connection, job_id: int, most: int) -> bool:
    """Remove a piece of what is known of a job's event files; True if nothing of it is left.

    A series that is half removed counts the points that it has.
    """
    found = db.execute("SELECT id FROM series WHERE job_id = :job_id LIMIT 1", {"job_id": job_id}).fetchone()
    if found is None:
        for table in ("event_file", "signal", "note"):
            db.execute(f"DELETE FROM {table} WHERE job_id = :job_id", {"job_id": job_id})
        return True
    gone = 0
    for table, count in (("chunk", "count"), ("histogram", "1")):
        sql = f"SELECT number, {count} FROM {table} WHERE series_id = ? ORDER BY number DESC LIMIT ?"
        picked = db.execute(sql, (found[0], most)).fetchall()
        db.executemany(
            f"DELETE FROM {table} WHERE series_id = ? AND number = ?", [(found[0], number) for number, _ in picked]
        )
        gone += sum(points for _, points in picked)
    is_more = "EXISTS (SELECT 1 FROM {table} WHERE series_id = :id)"
    left = " OR ".join(is_more.format(table=table) for table in ("chunk", "histogram"))
    if db.execute(f"SELECT {left}", {"id": found[0]}).fetchone()[0]:
        db.execute("UPDATE series SET count = count - :gone WHERE id = :id", {"gone": gone, "id": found[0]})
    else:
        db.execute("DELETE FROM series WHERE id = :id", {"id": found[0]})
    return False
