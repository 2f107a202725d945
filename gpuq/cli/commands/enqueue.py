"""`gpuq enqueue`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.queueing import checked_spec, explained, queue
from gpuq.cli.scripts import asking, one_script, with_sweep
from gpuq.cli.views.job import end_line, error_lines
from gpuq.cli.views.why import test_lines
from gpuq.client import Client
from gpuq.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


@declare.command("enqueue", before=with_sweep, after=one_script)
@asking
@declare.option(
    "--test-only", "--dry-run", is_flag=True, help="Say when it would start and what it lacks; queue nothing."
)
@declare.option("--explain", is_flag=True, help="Say what it would ask for, and where each is said; queue nothing.")
@declare.option("--wait", "wait", is_flag=True, help="Follow the log to the end; exit with the job's exit code.")
@declare.option("--json", "as_json", is_flag=True, help="Print the job as one JSON object.")
@declare.argument("script", metavar="SCRIPT.PY|JOB.TOML")
@declare.argument("args", metavar="[-- ARGS]...", nargs=-1)
def command(
    script: str,
    args: tuple[str, ...],
    test_only: bool,
    explain: bool,
    wait: bool,
    as_json: bool,
    **asked: str | None,
) -> int:
    """Queue SCRIPT.PY, whose `main_fun(args, ctx)` every worker runs as a TensorFlowOnSpark node.

    The script is copied as it is now. Options may also stand in its first comment lines, as in
    `#GPUQ --workers 2 --time 2h`; the command line wins. Words after `--` are for the script. Of a JOB.TOML (script,
    args, and options as keys) the script is queued so.

    \b
    Dependencies: afterok (completed), afternotok (failed), afterany (ended),
    after (started), aftercorr (the same task of another array completed),
    singleton (one at a time of your jobs of this name). An array's number
    means all its tasks, 12_3 its task 3.
    """
    if explain:
        terminal.say("\n".join(explained(script, args, asked)))
        return 0
    job_spec = checked_spec(script, args, asked)
    client = Client()
    if test_only:
        return _test(client, job_spec, as_json)
    if wait and (job_spec.get("array") or job_spec.get("sweep")):
        raise UsageError("--wait follows one job, not an array: wait for its tasks with `gpuq wait`.")
    job = queue(client, job_spec, as_json=as_json, is_followed=wait)
    return _follow(client, job, as_json) if wait else 0


def _test(client: Client, job_spec: Json, as_json: bool) -> int:
    """Print when a job would start."""
    why = client.test(job_spec)
    if as_json:
        terminal.say_json(why)
    else:
        terminal.say("\n".join(test_lines(why, time.time())))
    return 0


def _follow(client: Client, job: Json, as_json: bool) -> int:
    """Print the log of a queued job to its end, and how it ended; return its exit code."""
    from gpuq.cli.commands.logs import default_rank, print_log
    from gpuq.cli.commands.wait import exit_code
    from gpuq.cli.following import wait_for_end

    followed = None
    try:
        if not as_json:
            rank = default_rank(job, None)
            print_log(client, job, rank, follow=True, lines=None, as_json=False)
            followed = rank
        job = wait_for_end(client, job)
    except NotFoundError:  # it ended without a log
        job = wait_for_end(client, client.job(job["id"]))
    except KeyboardInterrupt:
        terminal.say_error(f"Job {job['id']} goes on; `gpuq cancel {job['id']}` ends it.")
        raise
    if as_json:
        terminal.say_json(job)
    else:
        is_seen = followed is not None and job["failed_rank"] == followed  # else the tail is another log's
        terminal.say("\n".join([*error_lines(job, has_tail=not is_seen), end_line(job)]))
    return exit_code(job["exit_code"])
