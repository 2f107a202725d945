"""Follows what a job's driver says in `reports.jsonl`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gpuq.models import EndReason, Rank, RankState
from gpuq_daemon.beneath import open_file
from gpuq_daemon.policy.lifecycle import Outcome, Reported, Unfit

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 4 * 1024 * 1024
_MOST_BEHIND = 64 * 1024 * 1024
_LONGEST_LINE = 256 * 1024
_LONGEST_ERROR = 2_000
_LONGEST_TAIL = 50
_MOST_HOOKS = 100


Word = Annotated[str, Meta(max_length=256)]
Pid = Annotated[int, Meta(gt=0, lt=2**31)]
Code = Annotated[int, Meta(ge=0, le=255)]
Number = Annotated[int, Meta(ge=0, lt=2**16)]


class _Application(Struct, tag="application", tag_field="kind"):
    application_id: Word
    driver_pid: Pid | None = None


class _Rank(Struct, tag="rank", tag_field="kind"):
    rank: Number
    role: Word
    host: Word
    state: RankState
    t: Annotated[float, Meta(gt=0, lt=2**40)]
    node: Word | None = None
    pid: Pid | None = None
    executor_id: Word | None = None
    gpus: Annotated[tuple[Word, ...], Meta(max_length=256)] = ()
    exit_code: Code | None = None
    rows: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    start_time: Annotated[int, Meta(ge=0, lt=2**62)] | None = None
    boot_id: Word | None = None
    container_id: Word | None = None


class _Outcome(Struct, tag="outcome", tag_field="kind"):
    exit_code: Code
    error: str | None = None
    failed_rank: Number | None = None
    tail: tuple[str, ...] = ()
    reason: EndReason | None = None
    stopped: Word | None = None


class _Hook(Struct, tag="hook", tag_field="kind"):
    rank: Number
    hook: Literal["health", "prolog", "epilog"]
    text: Annotated[str, Meta(max_length=_LONGEST_ERROR)]
    node: Word | None = None


_LINE = msgspec.json.Decoder(_Application | _Rank | _Outcome | _Hook)


def read_reports(path: Path, offset: int, rank_count: int) -> Reported:
    """Return what complete lines after `offset` say; a line still being written is left for the next look.

    The file belongs to the job's owner: a line that is no report of this job, or a file that is none, is passed over.
    Of more than a driver ever writes only the end is read.
    """
    try:
        file = open_file(path.parent, path.name)
    except OSError:
        return Reported(offset=offset)
    try:
        size = os.fstat(file).st_size
        if size - offset > _MOST_BEHIND:
            offset = size - _MOST_AT_ONCE
        data = os.pread(file, _MOST_AT_ONCE, offset)
    finally:
        os.close(file)
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) > _LONGEST_LINE:
        whole = len(data)  # no report is this long: step over it
    lines = [line for line in data[:whole].split(b"\n") if line]
    return _reported(lines, offset + whole, rank_count)


def _reported(lines: list[bytes], offset: int, rank_count: int) -> Reported:
    application: _Application | None = None
    outcome: Outcome | None = None
    ranks: dict[int, Rank] = {}
    unfit: list[Unfit] = []
    began_at: float | None = None
    for line in lines:
        match _decoded(line):
            case _Application() as application:
                pass
            case _Rank() as said if said.rank < rank_count:
                ranks[said.rank] = _merged(ranks.get(said.rank), said)
                if said.state is RankState.RUNNING and began_at is None:
                    began_at = said.t
            case _Outcome() as said if outcome is None:
                error = None if said.error is None else said.error[:_LONGEST_ERROR]
                tail = tuple(text[:_LONGEST_ERROR] for text in said.tail[-_LONGEST_TAIL:])
                outcome = Outcome(
                    exit_code=said.exit_code,
                    error=error,
                    failed_rank=said.failed_rank,
                    tail=tail,
                    reason=said.reason,
                    stopped=said.stopped,
                )
            case _Hook() as said if said.rank < rank_count:
                unfit.append(Unfit(rank=said.rank, hook=said.hook, text=said.text, node=said.node))
            case _:
                pass
    return Reported(
        offset=offset,
        application_id=None if application is None else application.application_id,
        driver_pid=None if application is None else application.driver_pid,
        ranks=tuple(ranks.values()),
        began_at=began_at,
        outcome=outcome,
        unfit=tuple(unfit[:_MOST_HOOKS]),
    )


def _decoded(line: bytes) -> _Application | _Rank | _Outcome | _Hook | None:
    try:
        return _LINE.decode(line)
    except msgspec.DecodeError as error:
        logger.warning("passed over a line that is no report", extra={"error": str(error)})
        return None


def _merged(before: Rank | None, said: _Rank) -> Rank:
    """Return the rank with what is new; a later line need not repeat what an earlier one said."""
    return Rank(
        rank=said.rank,
        role=said.role,
        host=said.host,
        state=said.state,
        exit_code=said.exit_code,
        node=said.node or (before.node if before else None),
        pid=said.pid or (before.pid if before else None),
        executor_id=said.executor_id or (before.executor_id if before else None),
        gpus=said.gpus or (before.gpus if before else ()),
        rows=said.rows if said.rows is not None or before is None else before.rows,
        start_time=said.start_time if said.start_time is not None or before is None else before.start_time,
        boot_id=said.boot_id or (before.boot_id if before else None),
        container_id=said.container_id or (before.container_id if before else None),
    )
