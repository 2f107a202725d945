"""A rank's own end of the carrier beside it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict

from gpuq_job.carrier import Cargo
from gpuq_job.rank_log import flush
from gpuq_job.spec import Run
from gpuq_job.streams import Streams

_LONGEST_END_S = 600.0
_LONGEST_RETURN_S = 600.0
_START = "import sys; sys.path[:] = {path!r}; from gpuq_job.carrier import run; run()"


class Carrying:
    """The carrier of a rank; none where files stay where they are, or where it cannot be started."""

    def __init__(self, run: Run, rank: int, streams: Streams) -> None:
        """Bring back the checkpoints that an earlier attempt has left elsewhere, then start to carry."""
        self._carrier: subprocess.Popen[bytes] | None = None
        self._streams = streams
        if run.carried_to is None:
            return
        cargo = _cargo(run, rank, run.carried_to)
        with contextlib.suppress(OSError):
            os.makedirs(run.checkpoints, exist_ok=True)
        if cargo.is_later:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(_argv(cargo, "bring-back"), timeout=_LONGEST_RETURN_S, check=False)
        try:
            self._carrier = subprocess.Popen(_argv(cargo), stdin=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            print(f"gpuq: files are not carried to {cargo.uri}: {error}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Return when all is carried that the rank has written, or cannot be."""
        if self._carrier is None:
            return
        flush()
        self._streams.tell()
        assert self._carrier.stdin is not None
        self._carrier.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._carrier.wait(_LONGEST_END_S)
        self._carrier = None


def _cargo(run: Run, rank: int, uri: str) -> Cargo:
    return Cargo(
        uri=uri,
        rank=rank,
        ranks=run.ranks,
        events=str(run.events(rank)),
        events_to=f"{run.attempt}/events/rank-{rank}",
        log=str(run.log(rank)),
        log_to=f"{run.attempt}/logs/rank-{rank}.log",
        checkpoints=run.checkpoints,
        is_later=run.attempt > 1,
    )


def _argv(cargo: Cargo, *words: str) -> list[str]:
    start = _START.format(path=[entry for entry in sys.path if entry])
    return [sys.executable, "-I", "-S", "-c", start, *words, json.dumps(asdict(cargo))]
