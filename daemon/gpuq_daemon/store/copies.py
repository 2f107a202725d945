"""Whole copies of databases, taken while they are in use, and what has to be so before one is brought up to date."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from gpuq.errors import UnavailableError
from gpuq_daemon.store.opening import readable

_KEPT = 3  # copies made before an upgrade


@contextlib.contextmanager
def read_only(path: Path) -> Generator[sqlite3.Connection]:
    """Give a connection that changes nothing, and one state of the file as long as it is used.

    Raises:
        UnavailableError: the file cannot be read.
    """
    with readable(path):
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=20)
    try:
        with readable(path):
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            yield connection
    finally:
        connection.close()


def copy(source: Path, target: Path) -> None:
    """Copy a database as it is now to `target`, whole or not at all, for its owner alone. Its users need not stop.

    Raises:
        UnavailableError: the source cannot be read, or there is no room for the copy.
    """
    draft = target.with_name(f".{target.name}.draft")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with read_only(source) as there, readable(target):
            here = sqlite3.connect(draft)
            try:
                there.backup(here)  # in one step: another program's commits would make it begin anew
                here.execute("PRAGMA journal_mode = DELETE")  # one file that needs no other
            finally:
                here.close()
        synced(draft)
        draft.replace(target)
        synced(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Return when what is written of a file, or of a folder's names, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def schema_files(schema: str) -> list[str]:
    """Return the names of the numbered files of a schema, in order, without their suffix."""
    folder = resources.files("gpuq_daemon.store").joinpath("schema", schema)
    return sorted(file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql"))


def prepare(path: Path, schema: str) -> None:
    """Refuse a file of a newer gpuq, untouched; keep a copy of one that is about to be brought up to date.

    The copies are next to it, called `<file>.before-<the change>`; the last three are kept.

    Raises:
        UnavailableError: it is newer, cannot be read, or there is no room for the copy.
    """
    if not path.exists() or not path.stat().st_size:
        return
    known = schema_files(schema)
    done = changes_of(path, schema)
    refuse_newer(path, done, known)
    missing = [name for name in known if name not in done]
    if not done or not missing:
        return
    copy(path, path.with_name(f"{path.name}.before-{missing[-1]}"))
    copies = sorted(path.parent.glob(f"{path.name}.before-*"), key=lambda one: one.stat().st_mtime)
    for old in copies[:-_KEPT]:
        old.unlink()


def refuse_newer(path: Path, done: frozenset[str], known: list[str]) -> None:
    """Refuse a file with changes that this gpuq does not know.

    Raises:
        UnavailableError: it has some.
    """
    if done - set(known):
        raise UnavailableError(
            f"The database {path} was written by a newer gpuq ({max(done - set(known))}): start that one, "
            "or restore a backup that this one has made. Nothing was changed."
        )


def changes_of(path: Path, schema: str) -> frozenset[str]:
    """Return the numbered changes that a file has seen.

    Raises:
        UnavailableError: it cannot be read.
    """
    with read_only(path) as db:
        if schema == "metrics":
            number: int = db.execute("PRAGMA user_version").fetchone()[0]
            named = [name for name in schema_files(schema) if int(name[:4]) <= number]
            is_newer = number > int(schema_files(schema)[-1][:4])
            return frozenset((*named, f"{number:04}")) if is_newer else frozenset(named)
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = '_sqlite_migrations'").fetchone() is None:
            return frozenset()
        rows = db.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = :schema", {"schema": schema})
        return frozenset(name for (name,) in rows)
