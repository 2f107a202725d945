"""What is typed as a word for a script and is none: words without `--` before them."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.errors import UsageError
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Callback = Callable[..., Any]


_ASKED = (
    declare.option("--name", "-J", help="The job's name; without it the script's."),
    declare.option("--workers", "-w", help="TFoS nodes, the chief among them. [1]"),
    declare.option("--gpus-per-worker", "-g", help="GPUs for each of them. [1]"),
    declare.option("--ps", help="Parameter servers, on top of the workers; they get no GPU. [0]"),
    declare.option("--evaluator", flag_value="yes", default=None, help="One more node that evaluates; it gets no GPU."),
    declare.option("--epochs", help="Feed the rows of the script's feed(sc, args) to its workers so often."),
    declare.option("--independent", flag_value="yes", default=None, help="Workers that know nothing of each other."),
    declare.option(
        "--driver", flag_value="yes", default=None, help="The script starts Spark and calls TFCluster.run itself."
    ),
    declare.option("--time", "-t", help="Time limit: 90 (minutes), 30m, 2h, HH:MM:SS, D-HH:MM:SS. [none]"),
    declare.option("--partition", "-p", help="Where to run. [the default one]"),
    declare.option("--account", "-A", help="Who pays. [your default account]"),
    declare.option("--qos", "-q", help="Quality of service. [normal]"),
    declare.option("--gpu-type", help="GPU model: a100, or 'a100|v100' for either. [any, all of one]"),
    declare.option("--nodes", "-N", help="Exactly so many nodes. [as they fit]"),
    declare.option("--exclusive", flag_value="yes", default=None, help="Whole nodes, shared with nobody."),
    declare.option("--layout", help="pack on few nodes, or spread over many. [pack]"),
    declare.option("--cpus-per-worker", "-c", "cpus", help="CPUs for each worker. [not counted]"),
    declare.option("--memory-per-worker", "-m", "memory", help="Memory for each: 4096 (MiB), 16G. [not counted]"),
    declare.option("--cpus-per-ps", help="CPUs for each parameter server, and the evaluator. [1]"),
    declare.option("--memory-per-ps", help="Memory for each of them. [not counted]"),
    declare.option("--nice", help="Taken off the priority. [0]"),
    declare.option("--hold", "-H", flag_value="yes", default=None, help="Queue it held, until `gpuq release`."),
    declare.option("--begin", "-b", help="Not before: now+1hour, 16:00, 2026-12-01T10:00."),
    declare.option("--deadline", help="Drop it if it cannot end by then, end it then."),
    declare.option("--dependency", "-d", help="After others: afterok:12:13,singleton; after*, see below."),
    declare.option("--array", "-a", help="Many tasks: 0-99, 0-99%4 (4 at once), 1,3,7 or 0-90:10."),
    declare.option("--reservation", help="Run in this reservation."),
    declare.option(
        "--stop-on", help="End it when its points say so: nan, exploded, no-progress, slow-rank, idle; nan,exploded."
    ),
    declare.option("--signal", help="Ask the script to stop so long before its end (SIGUSR1): 60 (seconds), 5m."),
    declare.option(
        "--sweep",
        joined_by=" ",
        help="An array of all combinations: lr=1e-3,1e-4 batch=32,64 seed=0..4.",
    ),
    declare.option(
        "--files",
        "--py-files",
        "files",
        joined_by=",",
        help="Also these, beside the script: model.py,layers/,conf.yaml.",
    ),
    declare.option(
        "--notify",
        joined_by=",",
        help="Tell me: started, ended, failed, requeued, limit (90 % of it), nan, idle, ...; all; tasks.",
    ),
    declare.option(
        "--notify-to",
        joined_by=",",
        help="By mail, mail:ADDRESS, https://HOST/PATH (a webhook), command:/PATH. [mail]",
    ),
    declare.option("--mail-type", help="As in Slurm: BEGIN, END, FAIL, REQUEUE, ALL, TIME_LIMIT_90, ARRAY_TASKS."),
    declare.option("--mail-user", help="As in Slurm: where mail goes."),
    declare.option("--retries", help="Run it again so often where a node or a GPU fails it, not its own error. [0]"),
)


def asking(command: Callback) -> Callback:
    """Give a command the options that say what a job asks for, in the order of its help."""
    for option in reversed(_ASKED):
        command = option(command)
    return command


def one_script(words: list[str], asked: Mapping[str, Any]) -> None:
    """Refuse a command line of one script that has more than one word before `--`.

    Raises:
        UsageError: there is a word for the script before `--`, or a second script.
    """
    after = words[words.index("--") + 1 :] if "--" in words else []
    extra: Sequence[str] = asked.get("args", ())
    if len(extra) > len(after):
        raise UsageError(
            f"'{fit(clean(extra[0]), 60)}' is a word too many: one script is queued at a time, "
            "and words for it go after `--`."
        )


def with_sweep(args: list[str]) -> list[str]:
    """Return a command line with all parts of a sweep as one word: `--sweep lr=1,2 batch=3,4` is typed as it reads."""
    if "--sweep" not in args:
        return args
    first = args.index("--sweep") + 1
    last = next((i for i in range(first, len(args)) if "=" not in args[i] or args[i].startswith("-")), len(args))
    return [*args[:first], " ".join(args[first:last]), *args[last:]] if last > first else args
