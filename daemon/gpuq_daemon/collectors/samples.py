"""Reads what a job's driver says its ranks use, in `samples.jsonl`: a file that is begun anew when it is full."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from gpuq_daemon.beneath import open_file
from gpuq_daemon.series.points import FilePosition
from gpuq_daemon.series.sampled import Sample

NAME = "samples.jsonl"
_MOST_AT_ONCE = 4 * 1024 * 1024
_LONGEST_LINE = 256 * 1024
_LINE = msgspec.json.Decoder(Sample)


def read_samples(
    folder: Path, position: FilePosition | None, rank_count: int
) -> tuple[list[Sample], FilePosition | None]:
    """Return what complete lines after `position` say, and the position after them; the same one if nothing is new.

    The file belongs to the job's owner: a line that is no sample of a rank of this job is passed over.
    """
    try:
        file = open_file(folder, NAME)
    except OSError:
        return [], position
    try:
        status = os.fstat(file)
        identity = f"{status.st_dev}:{status.st_ino}"
        is_known = position is not None and position.identity == identity and position.offset <= status.st_size
        offset = position.offset if position is not None and is_known else 0
        data = os.pread(file, _MOST_AT_ONCE, offset)
    finally:
        os.close(file)
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) > _LONGEST_LINE:
        whole = len(data)  # no sample is this long: step over it
    if not whole:
        return [], position
    samples = [sample for line in data[:whole].splitlines() if (sample := _decoded(line)) is not None]
    there = [sample for sample in samples if sample.rank < rank_count]
    return there, FilePosition(path=NAME, identity=identity, offset=offset + whole)


def _decoded(line: bytes) -> Sample | None:
    try:
        return _LINE.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
