"""Waiting for what a job has yet to do: the end of it, the rest of its log."""

from __future__ import annotations

import time
from functools import partial

from gpuq.cli import terminal
from gpuq.cli.views.why import start_line
from gpuq.errors import NotFoundError, UnavailableError
from gpuq.states import FINAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpuq.client import Client, Json

POLL_S = 0.5
_RESTART_PATIENCE = 60  # tries, a second apart: gpuqd may be restarted while somebody waits


def patiently(ask: Callable[[], Json], *, sleep: Callable[[float], None] = time.sleep) -> Json:
    """Return what `ask` answers, asking again for a minute while the daemon does not answer.

    Raises:
        UnavailableError: it still does not.
    """
    for _ in range(_RESTART_PATIENCE):
        try:
            return ask()
        except UnavailableError:
            sleep(1.0)
    return ask()


def wait_for_end(client: Client, job: Json, *, sleep: Callable[[float], None] = time.sleep) -> Json:
    """Return `job` as it is once it has ended; at once if it had."""
    number = job["id"]
    while job["state"] not in FINAL:
        job = patiently(lambda: client.wait(number), sleep=sleep)
    return job


def wait_for_start(client: Client, job: Json, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return once `job` no longer waits, having said on stderr why it did: each reason once, however it changes."""
    if job["state"] not in ("PENDING", "CONFIGURING"):
        return
    said: set[tuple[str, str | None]] = set()
    while True:
        try:
            why = patiently(lambda: client.why(job["id"]), sleep=sleep)
        except NotFoundError:  # what is asked next says so
            return
        line = start_line(why)
        if line is not None and (why["state"], why["reason"]) not in said:
            said.add((why["state"], why["reason"]))
            terminal.say_error(line)
        if why["state"] != "PENDING":
            return
        sleep(POLL_S)


def whole_log(
    client: Client,
    job_id: int,
    rank: int | None,
    offset: int = 0,
    *,
    attempt: int | None = None,
    stream: str | None = None,
) -> Iterator[Json]:
    """Yield the pieces of a log, or of one stream of it, from byte `offset` on to its present end.

    A negative `offset` counts from the end.
    """
    while True:
        piece = client.logs(job_id, rank=rank, offset=offset, attempt=attempt, stream=stream)
        yield piece
        if piece["next_offset"] >= piece["size"] or piece["next_offset"] <= piece["offset"]:
            return
        offset = piece["next_offset"]


def growing_log(
    client: Client,
    job_id: int,
    rank: int | None,
    offset: int = 0,
    *,
    stream: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Json]:
    """Yield the pieces of a log that is still written, or of one stream, until nothing more can come.

    A log that is not there yet is empty; a daemon that is restarted is waited for.
    """
    while True:
        try:
            ask = partial(client.logs, job_id, rank=rank, offset=offset, stream=stream)
            piece = patiently(ask, sleep=sleep)
        except NotFoundError:
            if client.job(job_id)["state"] in FINAL:
                raise
            sleep(POLL_S)
            continue
        if piece["data"]:
            yield piece
        if piece["is_final"] and piece["next_offset"] >= piece["size"]:
            return
        if piece["next_offset"] <= piece["offset"] or not piece["data"]:
            sleep(POLL_S)
        offset = piece["next_offset"]
