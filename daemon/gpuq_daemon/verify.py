"""Looks whether a state is whole: databases, what must hold in them, and the claims of attempts beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from gpuq.errors import UnavailableError
from gpuq_daemon.archive import unpacked
from gpuq_daemon.config import Config
from gpuq_daemon.places import place_of
from gpuq_daemon.store.copies import changes_of, refuse_newer, schema_files
from gpuq_daemon.store.invariants import (
    Claimed,
    Finding,
    active_claims,
    known_jobs,
    last_attempts,
    metrics_findings,
    state_findings,
)

_LONGEST_CLAIM = 256


def verify_state(config: Config) -> Iterator[Finding]:
    """Look through the state of this configuration, while a gpuqd uses it or not."""
    yield from _databases(config.state)
    yield _numbers(config)
    yield _leftovers(config)
    yield _claims(config)


def verify_backup(file: Path) -> Iterator[Finding]:
    """Look through a backup.

    Raises:
        UsageError: it is none.
    """
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=file.absolute().parent) as folder:
        unpacked(file, Path(folder))
        yield from _databases(Path(folder))


def _databases(folder: Path) -> Iterator[Finding]:
    for name, findings in (("state", state_findings), ("metrics", metrics_findings)):
        path = folder / f"{name}.db"
        if not path.exists():
            yield Finding(what=f"{path.name} is there", wrong=f"{path} is missing")
            continue
        try:
            refuse_newer(path, changes_of(path, name), schema_files(name))
        except UnavailableError as error:
            yield Finding(what=f"{path.name} is of this gpuq or an older one", wrong=str(error))
            continue
        yield from findings(path)


def _numbers(config: Config) -> Finding:
    """Look whether a job's folder is there whose number is still to be given."""
    what = "no job's files are those of a number that is still to be given"
    try:
        last, _ = last_attempts(config.state / "state.db")
    except UnavailableError as error:
        return Finding(what=what, wrong=str(error))
    roots = [root for root in (config.jobs, config.state / "attempts") if root.is_dir()]
    beyond = [one for root in roots for one in root.iterdir() if one.name.isdecimal() and int(one.name) > last]
    return Finding(what=what, wrong=str(min(beyond)) if beyond else None)


def _leftovers(config: Config) -> Finding:
    """Look whether attempts' files are there of jobs that are not kept any more; checkpoints are, for ever."""
    what = "no logs, scripts and events are those of a job that is not kept any more"
    roots = [root for root in (config.jobs, config.state / "attempts") if root.is_dir()]
    there = [one for root in roots for one in root.iterdir() if one.name.isdecimal()]
    try:
        last, _ = last_attempts(config.state / "state.db")
        known = known_jobs(config.state / "state.db")
    except UnavailableError as error:
        return Finding(what=what, wrong=str(error))
    wrong = [str(one) for one in there if int(one.name) <= last and int(one.name) not in known and _has_attempt(one)]
    return Finding(what=what, wrong=", ".join(wrong[:5]) or None)


def _has_attempt(job: Path) -> bool:
    try:
        return any(one.name.isdecimal() for one in job.iterdir())
    except OSError:
        return False  # it has just gone


def _claims(config: Config) -> Finding:
    """Look whether every attempt that is led is claimed by the one who leads it."""
    what = "every running attempt is claimed by the process that leads it"
    try:
        claimed = active_claims(config.state / "state.db")
    except UnavailableError as error:
        return Finding(what=what, wrong=str(error))
    wrong = [f"job {one.job_id}, attempt {one.number}" for one in claimed if not _agrees(config, one)]
    return Finding(what=what, wrong=", ".join(wrong[:5]) or None)


def _agrees(config: Config, one: Claimed) -> bool:
    if one.shim is None:
        return True  # not started, or just about to be noted
    try:
        with place_of(config, one.job_id, one.number).claim.open(encoding="ascii", errors="replace") as file:
            return file.read(_LONGEST_CLAIM).split() == one.shim.split()
    except OSError:
        return False
