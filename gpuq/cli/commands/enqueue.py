"""`gpuq enqueue`."""

from __future__ import annotations

import os
import time

import click

from gpuq.asking import read
from gpuq.cli import terminal
from gpuq.cli.commands.logs import default_rank, print_log
from gpuq.cli.commands.wait import exit_code
from gpuq.cli.following import wait_for_end
from gpuq.cli.scripts import ScriptCommand, refuse_shell_script
from gpuq.cli.views.job import end_line, error_lines, queued_line
from gpuq.cli.views.why import test_lines
from gpuq.client import Client
from gpuq.errors import NotFoundError, UsageError
from gpuq.main_fun import check_driver, check_feed, check_main_fun
from gpuq.pitfalls import keras_fit_line
from gpuq.script import late_directives, read_directives, read_script
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json


@click.command("enqueue", cls=ScriptCommand)
@click.option("--name", "-J", help="The job's name; without it the script's.")
@click.option("--workers", "-w", help="TFoS nodes, the chief among them. [1]")
@click.option("--gpus-per-worker", "-g", help="GPUs for each of them. [1]")
@click.option("--ps", help="Parameter servers, on top of the workers; they get no GPU. [0]")
@click.option("--evaluator", flag_value="yes", default=None, help="One more node that evaluates; it gets no GPU.")
@click.option("--epochs", help="Feed the rows of the script's feed(sc, args) to its workers so often.")
@click.option("--independent", flag_value="yes", default=None, help="Workers that know nothing of each other.")
@click.option(
    "--driver", flag_value="yes", default=None, help="The script starts Spark and calls TFCluster.run itself."
)
@click.option("--time", "-t", help="Time limit: 90 (minutes), 30m, 2h, HH:MM:SS, D-HH:MM:SS. [none]")
@click.option("--partition", "-p", help="Where to run. [the default one]")
@click.option("--account", "-A", help="Who pays. [your default account]")
@click.option("--qos", "-q", help="Quality of service. [normal]")
@click.option("--gpu-type", help="GPU model: a100, or 'a100|v100' for either. [any, all of one]")
@click.option("--nodes", "-N", help="Exactly so many nodes. [as they fit]")
@click.option("--exclusive", flag_value="yes", default=None, help="Whole nodes, shared with nobody.")
@click.option("--layout", help="pack on few nodes, or spread over many. [pack]")
@click.option("--cpus-per-worker", "-c", "cpus", help="CPUs for each worker. [not counted]")
@click.option("--memory-per-worker", "-m", "memory", help="Memory for each: 4096 (MiB), 16G. [not counted]")
@click.option("--cpus-per-ps", help="CPUs for each parameter server, and the evaluator. [1]")
@click.option("--memory-per-ps", help="Memory for each of them. [not counted]")
@click.option("--nice", help="Taken off the priority. [0]")
@click.option("--hold", "-H", flag_value="yes", default=None, help="Queue it held, until `gpuq release`.")
@click.option("--begin", "-b", help="Not before: now+1hour, 16:00, 2026-12-01T10:00.")
@click.option("--deadline", help="Drop it if it cannot end by then, end it then.")
@click.option("--dependency", "-d", help="After others: afterok:12:13,singleton; after*, see below.")
@click.option("--array", "-a", help="Many tasks: 0-99, 0-99%4 (4 at once), 1,3,7 or 0-90:10.")
@click.option("--reservation", help="Run in this reservation.")
@click.option("--stop-on", help="End it when its points say so: nan, exploded, no-progress, slow-rank; nan,exploded.")
@click.option("--signal", help="SIGUSR1 to the script so long before its time limit: 60 (seconds), 5m.")
@click.option("--test-only", is_flag=True, help="Say when it would start; queue nothing.")
@click.option("--wait", "wait", is_flag=True, help="Follow the log to the end; exit with the job's exit code.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as one JSON object.")
@click.argument("script", metavar="SCRIPT.PY")
@click.argument("args", metavar="[-- ARGS]...", nargs=-1)
def command(script: str, args: tuple[str, ...], test_only: bool, wait: bool, as_json: bool, **asked: str | None) -> int:
    """Queue SCRIPT.PY, whose `main_fun(args, ctx)` every worker runs as a TensorFlowOnSpark node.

    The script is copied as it is now. Options may also stand in its first comment lines, as in
    `#GPUQ --workers 2 --time 2h`; the command line wins. Words after `--` are for the script.

    \b
    Dependencies: afterok (completed), afternotok (failed), afterany (ended),
    after (started), aftercorr (the same task of another array completed),
    singleton (one at a time of your jobs of this name). An array's number
    means all its tasks, 12_3 its task 3.
    """
    text = read_script(script)
    job_spec = spec(script, text, args, asked, now=time.time())
    for line in late_directives(text):
        terminal.say_error(f"Warning: {script} line {line}: #GPUQ after the first line of code is not read.")
    fit = keras_fit_line(text) if job_spec["workers"] > 1 else None
    if fit is not None:
        terminal.say_error(
            f"Warning: {script} line {fit}: model.fit of Keras 3 fails under MultiWorkerMirroredStrategy on several "
            "workers; write the training loop, or use tf_keras."
        )
    client = Client()
    if test_only:
        return _test(client, job_spec, as_json)
    if wait and job_spec.get("array"):
        raise UsageError("--wait follows one job, not an array: wait for its tasks with `gpuq wait`.")
    job = client.enqueue(job_spec)
    if as_json:
        terminal.say_json(job)
    else:
        terminal.say(queued_line(job))
        if terminal.is_terminal() and not wait:
            terminal.say(f"Follow it: gpuq logs -f {job['id']}")
    return _follow(client, job, as_json) if wait else 0


def _test(client: Client, job_spec: Json, as_json: bool) -> int:
    """Print when a job would start."""
    why = client.test(job_spec)
    if as_json:
        terminal.say_json(why)
    else:
        terminal.say("\n".join(test_lines(why)))
    return 0


def spec(script: str, text: str, args: Sequence[str], asked: dict[str, str | None], *, now: float) -> Json:
    """Return the `models.JobSpec` of a command line (`asked`, None where not given) and a script's head.

    `now` is what relative times count from.

    Raises:
        UsageError: anything of it cannot become a job.
    """
    refuse_shell_script(text, script)
    given = {d.field: (d.value, f"{clean(script)} line {d.line}: ") for d in read_directives(text, script)}
    given |= {field: (value, "") for field, value in asked.items() if value is not None}
    for word in (os.path.basename(script), *args):
        _check_utf8(word)
    (check_driver if "driver" in given else check_main_fun)(text, script)
    if "epochs" in given:
        check_feed(text, script)
    return {
        "script_name": os.path.basename(script),
        "script": text,
        "args": list(args),
        **dict.fromkeys(("name", "time_limit_s", "partition")),
        **dict.fromkeys(("workers", "gpus_per_worker"), 1),
        **read(given, now),
    }


def _check_utf8(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"'{fit(clean(word), 60)}' is not UTF-8; a job's words must be.") from error


def _follow(client: Client, job: Json, as_json: bool) -> int:
    """Print the log of a queued job to its end, and how it ended; return its exit code."""
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
