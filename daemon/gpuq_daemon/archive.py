"""Backups of the state: one file with the queue, the accounting and the points; job folders are not in it."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from gpuq.errors import UnavailableError, UsageError
from gpuq_daemon.config import Config
from gpuq_daemon.processes import ProcessId, is_alive
from gpuq_daemon.state_folder import UNFINISHED_RESTORE, held
from gpuq_daemon.store.copies import changes_of, copy, refuse_newer, schema_files, synced
from gpuq_daemon.store.invariants import give_no_number_below, last_attempts, metrics_findings, state_findings

_SCHEMAS = ("state", "metrics")
_NAMES = tuple(f"{schema}.db" for schema in _SCHEMAS)
_BESIDE = ("-wal", "-shm")  # SQLite's, that must never meet another database


def back_up(config: Config, file: Path) -> int:
    """Write the state as it is now to `file`, whole or not at all, and return its size; a gpuqd may go on.

    Raises:
        UsageError: the file cannot be written there.
        UnavailableError: the state cannot be read, or there is no room.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.absolute().parent) as folder:
            draft = Path(folder) / "backup"
            with tarfile.open(draft, "x", format=tarfile.PAX_FORMAT) as archive:
                for name in _NAMES:
                    part = Path(folder) / name
                    copy(config.state / name, part)
                    archive.add(part, arcname=name)
                    part.unlink()
            draft.chmod(0o600)
            synced(draft)
            draft.replace(file)
            synced(file.absolute().parent)
        return file.stat().st_size
    except OSError as error:
        raise UsageError(f"Cannot write the backup {file}: {error.strerror or error}.") from error


def unpacked(file: Path, folder: Path) -> None:
    """Put the databases of a backup into a folder.

    Raises:
        UsageError: it is no backup, or cannot be read.
    """
    try:
        with tarfile.open(file, "r:") as archive:
            for name in _NAMES:
                member = archive.extractfile(name)
                if member is None:
                    raise KeyError(name)
                out_file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with member, open(out_file, "wb") as out:
                    shutil.copyfileobj(member, out, 1024 * 1024)
                synced(folder / name)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise UsageError(f"{file} is no backup of gpuqd, or not a whole one.") from error
    except OSError as error:
        raise UsageError(f"Cannot read the backup {file}: {error.strerror or error}.") from error


def restore(config: Config, file: Path) -> Path:
    """Put a backup in the place of the state; return the folder where what was there is kept.

    Job numbers that were given after the backup are not given again, and folders of attempts that it does not know
    are put aside with the rest. Cut off half-way (a kill, a power cut), it is to be run again: no gpuqd starts before.

    Raises:
        UsageError: a gpuqd uses the state, or the file is no backup of this gpuq or an older one.
        UnavailableError: an attempt that the backup does not know still runs, or the backup is damaged.
    """
    with held(config, for_restore=True), tempfile.TemporaryDirectory(prefix=".restore-", dir=config.state) as made:
        fresh = Path(made)
        unpacked(file, fresh)
        _refuse_damaged(file, fresh)
        last, attempts = last_attempts(fresh / "state.db")
        roots = (config.state / "attempts", config.jobs)
        unknown = {root: _unknown_attempts(root, attempts) for root in roots}
        _refuse_living(unknown[roots[0]])
        given = [number for root in roots for number in _numbers(root)]
        give_no_number_below(fresh / "state.db", max([last, _last_given(config), *given]))
        synced(fresh / "state.db")
        aside = _new_folder(config.state)
        unfinished = config.state / UNFINISHED_RESTORE
        unfinished.touch(mode=0o600)
        synced(config.state)
        for name in _NAMES:
            _replace(config.state / name, fresh / name, aside)
        for root, folders in unknown.items():
            _put_aside(root, folders, aside if root.is_relative_to(config.state) else root / aside.name)
        synced(config.state)
        unfinished.unlink()
        synced(config.state)
    return aside


def _put_aside(root: Path, folders: list[Path], aside: Path) -> None:
    """Move attempts' folders below `root` to a folder on the same disk."""
    for folder in folders:
        kept = aside / root.name / folder.parent.name
        kept.mkdir(parents=True, exist_ok=True)
        folder.rename(kept / folder.name)


def _refuse_damaged(file: Path, folder: Path) -> None:
    for schema, findings in (("state", state_findings), ("metrics", metrics_findings)):
        path = folder / f"{schema}.db"
        refuse_newer(path, changes_of(path, schema), schema_files(schema))
        for finding in findings(path):
            if finding.wrong is not None:
                raise UnavailableError(f"The backup {file} is not whole ({finding.wrong}); nothing was changed.")


def _last_given(config: Config) -> int:
    """Return the highest number that the present state has given, as far as it can be read."""
    try:
        return last_attempts(config.state / "state.db")[0]
    except UnavailableError:
        return 0


def _numbers(folder: Path) -> list[int]:
    return [int(one.name) for one in folder.iterdir() if one.name.isdecimal()] if folder.is_dir() else []


def _unknown_attempts(jobs: Path, attempts: dict[int, int]) -> list[Path]:
    """Return the folders of attempts that were made after the backup."""
    return [
        jobs / str(job_id) / str(number)
        for job_id in sorted(_numbers(jobs))
        for number in _numbers(jobs / str(job_id))
        if number > attempts.get(job_id, 0)
    ]


def _refuse_living(folders: list[Path]) -> None:
    for folder in folders:
        try:
            words = (folder / "claim").read_text(encoding="ascii", errors="replace")[:256].split()
        except OSError:
            continue
        match words:
            case [pid, start_time, boot] if pid.isdecimal() and start_time.isdecimal():
                if is_alive(ProcessId(pid=int(pid), start_time=int(start_time), boot_id=boot)):
                    raise UnavailableError(
                        f"Job {folder.parent.name} still runs (process {pid}), and the backup does not know it: "
                        "start gpuqd and cancel the job, or wait for its end; nothing was changed."
                    )
            case _:
                continue


def _new_folder(state: Path) -> Path:
    number = 1
    while True:
        folder = state / f"before-restore-{number}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


def _replace(old: Path, new: Path, aside: Path) -> None:
    """Put `new` in the place of `old`, which is kept; at no instant is there none."""
    for there in (old, *(old.with_name(old.name + end) for end in _BESIDE)):
        if there.exists():
            os.link(there, aside / there.name)
    for end in _BESIDE:
        old.with_name(old.name + end).unlink(missing_ok=True)
    new.replace(old)
