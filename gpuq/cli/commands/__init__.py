"""One module a verb, or a word that verbs stand below; each has what it declares as `command`."""

from __future__ import annotations

from gpuq.cli.declare import Group

# The line of help stands here, so that `gpuq --help` need not load every command.
COMMANDS = {
    "enqueue": "Queue a training script.",
    "queue": "Show the queue, as squeue does.",
    "resubmit": "Queue a job again, exactly as it was or with changes.",
    "history": "Show jobs that have ended.",
    "show": "Show everything about one job.",
    "why": "Say why a job is where it is.",
    "when": "Say when a job will start, or a script would.",
    "logs": "Print or follow a job's log.",
    "trace": "Tell whose a pod, process, GPU, application or path is.",
    "stacks": "Print where every rank of a job is in its code.",
    "events": "Tell what changes, as it changes.",
    "plot": "Draw a job's curves.",
    "histogram": "Draw how a distribution moves over a job's steps.",
    "compare": "Hold jobs against each other, by step and by time.",
    "report": "Tell all about a job, as text or as one HTML page.",
    "tensorboard": "Open TensorBoard on the event files of jobs.",
    "export": "Write all points of a job to Parquet, Arrow, CSV or JSON.",
    "checkpoint": "List a job's checkpoints, and what one of them holds.",
    "weights": "Draw how a variable's numbers in a checkpoint are distributed.",
    "notices": "Show what you were told of your jobs, and what waits to be told.",
    "wait": "Wait for jobs to end; exit with their exit code.",
    "cancel": "End jobs.",
    "hold": "Keep pending jobs from starting.",
    "release": "Let held jobs start.",
    "requeue": "Let jobs run again.",
    "update": "Change what a pending job asks for.",
    "prio": "Show every term of a job's priority.",
    "share": "Show who has used how much of what is due.",
    "usage": "Show what was used, for nothing, and how long was waited.",
    "free": "Show what is free now, by partition and GPU model.",
    "nodes": "Show the nodes and what is free on them.",
    "completions": "Print the script that completes gpuq in bash, zsh or fish.",
    "gpus": "Show every GPU: who holds it, how much it is used, what is wrong.",
    "dial": "Join stdin and stdout to gpuqd, for ssh://.",
    "admin": "Decide about accounts, shares, QOS, limits, reservations and nodes.",
    "top": "Watch everything in a full-screen terminal.",
}

ROOT = Group(
    "gpuq",
    help="Queue TensorFlow training on a shared Spark GPU cluster and watch it from the terminal.",
    short_help=None,
    modules={name: f"{__name__}.{name}" for name in COMMANDS},
)
