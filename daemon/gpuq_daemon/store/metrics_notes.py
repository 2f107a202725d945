"""Rows of `metrics.db` that are no points, one function a question; each runs in its caller's transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from gpuq.errors import NotFoundError
from gpuq.models import Hparam
from gpuq.summaries import Picture, Text
from gpuq_daemon.series import notes
from gpuq_daemon.series.notes import MOST_NOTES
from gpuq_daemon.series.points import Batch

_KINDS = {notes.Text: "text", notes.Hparams: "hparams", notes.Picture: "picture"}
_WHERE = """
    WHERE job_id = :job_id AND kind = :kind AND (:tag IS NULL OR tag = :tag) AND (:rank IS NULL OR rank = :rank)
      AND (:run IS NULL OR run = :run) AND (:attempt IS NULL OR attempt = :attempt)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lies:
    """Where a picture lies: in which attempt's event file, and where in that."""

    attempt: int
    picture: notes.Picture


def append_notes(db: sqlite3.Connection, batch: Batch) -> None:
    """Keep a batch's notes, and of each kind the newest of its attempt alone."""
    insert = """
        INSERT INTO note (job_id, attempt, kind, rank, run, tag, step, wall_time, content)
        VALUES (:job_id, :attempt, :kind, :rank, :run, :tag, :step, :wall_time, :content)"""
    attempt = {"job_id": batch.job_id, "attempt": batch.attempt}
    for (rank, run), found in batch.notes.items():
        for note in found[-MOST_NOTES:]:
            values = {"rank": rank, "run": run, "tag": note.tag, "step": note.step, "wall_time": note.wall_time}
            content = msgspec.json.encode(note.content).decode()
            db.execute(insert, {**attempt, **values, "kind": _KINDS[type(note.content)], "content": content})
    forget = """
        DELETE FROM note WHERE job_id = :job_id AND attempt = :attempt AND kind = :kind AND id <= (
          SELECT id FROM note WHERE job_id = :job_id AND attempt = :attempt AND kind = :kind
          ORDER BY id DESC LIMIT 1 OFFSET :most)"""
    for kind in {_KINDS[type(note.content)] for found in batch.notes.values() for note in found}:
        db.execute(forget, {**attempt, "kind": kind, "most": MOST_NOTES})


def texts(db: sqlite3.Connection, asked: dict[str, Any], at_most: int) -> list[Text]:
    """Return the newest texts, in the order written."""
    found: list[Text] = []
    for row in _rows(db, "text", asked, at_most):
        content = msgspec.json.decode(row[6], type=notes.Text)
        found.append(Text(**_told(row), text=content.text, is_cut=content.is_cut))
    return found


def pictures(db: sqlite3.Connection, asked: dict[str, Any], at_most: int) -> list[Picture]:
    """Return the newest pictures, in the order written."""
    found: list[Picture] = []
    for row in _rows(db, "picture", asked, at_most):
        content = msgspec.json.decode(row[6], type=notes.Picture)
        size = {name: getattr(content, name) for name in ("number", "width", "height", "bytes")}
        found.append(Picture(id=row[7], **_told(row), **size))
    return found


def where_picture_lies(db: sqlite3.Connection, job_id: int, number: int) -> Lies:
    """Return where a picture of a job lies.

    Raises:
        NotFoundError: the job has no such picture.
    """
    sql = "SELECT attempt, content FROM note WHERE id = :id AND job_id = :job_id AND kind = 'picture'"
    row = db.execute(sql, {"id": number, "job_id": job_id}).fetchone()
    if row is None:
        raise NotFoundError(f"Job {job_id} has no picture {number}; `gpuq show {job_id} --pictures` lists them.")
    return Lies(attempt=row[0], picture=msgspec.json.decode(row[1], type=notes.Picture))


def hparams(db: sqlite3.Connection, job_id: int) -> tuple[Hparam, ...]:
    """Return the hyperparameters of the newest attempt that told any: of its first rank, as told last."""
    sql = """
        SELECT content FROM note WHERE job_id = :job_id AND kind = 'hparams'
        ORDER BY attempt DESC, rank, id DESC LIMIT 1"""
    row = db.execute(sql, {"job_id": job_id}).fetchone()
    values = {} if row is None else msgspec.json.decode(row[0], type=notes.Hparams).values
    return tuple(Hparam(name=name, value=value) for name, value in values.items())


def _rows(db: sqlite3.Connection, kind: str, asked: dict[str, Any], at_most: int) -> list[tuple[Any, ...]]:
    sql = f"""
        SELECT attempt, rank, run, tag, step, wall_time, content, id FROM note {_WHERE}
        ORDER BY id DESC LIMIT :at_most"""
    return db.execute(sql, {**asked, "kind": kind, "at_most": at_most}).fetchall()[::-1]


def _told(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("attempt", "rank", "run", "tag", "step", "wall_time"), row, strict=False))
