"""`gpuq logs`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.following import growing_log, wait_for_start, whole_log
from gpuq.cli.naming import is_array, number_of
from gpuq.cli.views.queue import shown_id
from gpuq.cli.views.why import start_line
from gpuq.client import Client
from gpuq.errors import UsageError
from gpuq.states import FINAL
from gpuq.text import clean_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpuq.client import Json

_TAIL_BYTES = 256 * 1024


@declare.command("logs")
@declare.argument("job_id", metavar="ID")
@declare.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@declare.option("--rank", "-r", type=declare.IntRange(min=0), help="This rank's log.")
@declare.option("--driver", is_flag=True, help="The driver's log: spark-submit and what leads the job.")
@declare.option("--stdout", "is_stdout", is_flag=True, help="Only what the rank wrote to its standard output.")
@declare.option("--stderr", "is_stderr", is_flag=True, help="Only what it wrote to its standard error.")
@declare.option("--attempt", type=declare.IntRange(min=1), help="Of this attempt. [the newest]")
@declare.option("--lines", "-n", type=declare.IntRange(min=0), help="Only the last lines (of the last 256 KiB).")
@declare.option("--json", "as_json", is_flag=True, help="Print each piece as a line of JSON.")
def command(
    job_id: str,
    follow: bool,
    rank: int | None,
    driver: bool,
    is_stdout: bool,
    is_stderr: bool,
    attempt: int | None,
    lines: int | None,
    as_json: bool,
) -> None:
    """Print the log of job ID: of the rank that failed, else of the chief (rank 0); of its newest attempt."""
    if driver and rank is not None:
        raise UsageError("Ask for --driver or for --rank, not for both.")
    if is_stdout and is_stderr:
        raise UsageError("Ask for --stdout or for --stderr; without either both are printed, in their order.")
    stream = "stdout" if is_stdout else "stderr" if is_stderr else None
    if driver and stream is not None:
        raise UsageError("The driver's log is one: only a rank's tells its stdout and stderr apart.")
    client = Client()
    job = client.job(number_of(client, job_id))
    if "_" not in job_id and is_array(job, None):
        terminal.say_error(
            f"{job['id']} is an array: this is the log of its task {shown_id(job)}; `gpuq show` names all."
        )
    if job["attempt"] == 0 and job["state"] in FINAL:
        terminal.say_error(f"Job {job['id']} ended before it started, so it has no log.")
        return
    if not follow:
        _say_unstarted(client, job)
    if attempt is not None and attempt != job["attempt"]:
        _print_earlier(client, job, None if driver else rank or 0, attempt, lines, as_json, stream)
        return
    print_log(client, job, None if driver else default_rank(job, rank), follow, lines, as_json, stream)


def _print_earlier(
    client: Client, job: Json, rank: int | None, attempt: int, lines: int | None, as_json: bool, stream: str | None
) -> None:
    """Print the log of an attempt that is over, or the end of it."""
    if lines is None:
        _print_pieces(whole_log(client, job["id"], rank, attempt=attempt, stream=stream), as_json)
        return
    piece = client.logs(job["id"], rank=rank, offset=-_TAIL_BYTES, attempt=attempt, stream=stream)
    _say_if_mixed(piece)
    _print_piece(piece | {"data": last_lines(piece["data"], lines)}, as_json)


def _say_unstarted(client: Client, job: Json) -> None:
    if job["state"] in ("PENDING", "CONFIGURING"):
        why = client.why(job["id"])
        terminal.say_error(start_line(why) or f"Job {shown_id(job)} {why['text']}")


def default_rank(job: Json, asked: int | None) -> int | None:
    """Return the rank whose log is wanted: as asked, the failed one, or 0; None (driver) if none ever ran."""
    if asked is not None:
        return asked
    if job["failed_rank"] is not None:
        return job["failed_rank"]
    return None if job["state"] == "FAILED" and not job["ranks"] else 0


def print_log(
    client: Client,
    job: Json,
    rank: int | None,
    follow: bool,
    lines: int | None,
    as_json: bool,
    stream: str | None = None,
) -> None:
    """Print a log as it is, or as it grows until the job's end; with `lines` only its end and what follows.

    What follows a job that has not started is first told, on stderr, why.
    """
    if follow:
        wait_for_start(client, job)
    offset = 0
    if lines is not None:
        first = client.logs(job["id"], rank=rank, offset=-_TAIL_BYTES, stream=stream)
        _say_if_mixed(first)
        _print_piece(first | {"data": last_lines(first["data"], lines)}, as_json)
        if not follow:
            return
        offset = first["next_offset"]
    _print_pieces((growing_log if follow else whole_log)(client, job["id"], rank, offset, stream=stream), as_json)


def last_lines(text: str, count: int) -> str:
    """Return the last `count` lines; a last one without its line end counts."""
    kept = text.splitlines(keepends=True)
    return "".join(kept[-count:]) if count else ""


def _print_pieces(pieces: Iterable[Json], as_json: bool) -> None:
    for i, piece in enumerate(pieces):
        if i == 0:
            _say_if_mixed(piece)
        _print_piece(piece, as_json)


def _say_if_mixed(piece: Json) -> None:
    if piece.get("is_told_apart") is False and piece["size"]:
        terminal.say_error("this log does not tell stdout and stderr apart: it is older than that; here is all of it.")


def _print_piece(piece: Json, as_json: bool) -> None:
    if as_json:
        terminal.say_json(piece)
        terminal.flush()
    else:
        terminal.say_part(clean_log(piece["data"]))
