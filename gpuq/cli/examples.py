"""An example or two for each verb, as its help and its manual page show them. Only help loads this."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "enqueue": (
        ("gpuq enqueue train.py -w 2 -- --lr 1e-3", "two workers; what follows -- is the script's"),
        ("gpuq enqueue train.py --test-only", "when would it start?"),
        ("gpuq enqueue train.py --time 4h --signal 5m --retries 3", "asked to save before its end; goes on"),
        ("gpuq enqueue train.py --sweep lr=1e-3,1e-4 seed=0..4", "a task for each combination"),
        ("gpuq enqueue train.py --dependency afterok:12", "after job 12 has completed"),
    ),
    "queue": (
        ("gpuq queue -s PD -u all 'gpus>4'", "who waits for more than four"),
        ("gpuq queue -o id,name,where", "these columns; --csv, --json"),
    ),
    "resubmit": (("gpuq resubmit 12 -- --lr 1e-3", "the same script and files, other words"),),
    "history": (("gpuq history --since 2d -u me --state F", "what of mine has failed"),),
    "show": (
        ("gpuq show 12", "all about it"),
        ("gpuq show 12 --code", "the script and files it was queued with"),
    ),
    "why": (("gpuq why 12 --sooner", "and what would let it start sooner"),),
    "when": (("gpuq when -w 4 --time 2h train.py", "if it were queued now"),),
    "logs": (
        ("gpuq logs -f 12", "follow the chief, or the rank that failed"),
        ("gpuq logs 12 --rank 1 -n 50", "the last lines of another"),
        ("gpuq logs 12 --stderr", "warnings and tracebacks alone"),
    ),
    "trace": (("gpuq trace localhost:4711", "whose process is it?"),),
    "stacks": (("gpuq stacks 12", "where it hangs; it goes on"),),
    "events": (("gpuq events --json 12", "for programs: each change a line"),),
    "plot": (
        ("gpuq plot 12 13 'val/*'", "two jobs, all validation tags"),
        ("gpuq plot -f 12 loss --smooth 0.6", "while it falls"),
        ("gpuq plot 12 loss --csv", "every point"),
    ),
    "histogram": (("gpuq histogram 12 dense/kernel", "how it moves over the steps"),),
    "compare": (("gpuq compare 12 13", "ends, best values, differences"),),
    "report": (("gpuq report 12 --html report.html", "one page that needs nothing else"),),
    "tensorboard": (("gpuq tensorboard 12 13", "on the daemon's host, or over a tunnel"),),
    "export": (("gpuq export 12", "every point, as Parquet"),),
    "checkpoint": (("gpuq checkpoint 12 --list", "all that it has saved"),),
    "weights": (("gpuq weights 12 dense/kernel", "of the newest checkpoint"),),
    "wait": (("gpuq wait 12 13; echo $?", "the largest of their exit codes"),),
    "notices": (("gpuq notices 12", "what you were told of it"),),
    "cancel": (
        ("gpuq cancel 12-15 120_3-7", "jobs, and tasks of an array"),
        ("gpuq cancel -s PD 'name=re*' --dry-run", "which would it be?"),
    ),
    "hold": (("gpuq hold -s PD -A vision", "my pending jobs of that account"),),
    "release": (("gpuq release 12", "it may start again"),),
    "requeue": (("gpuq requeue 12", "from its checkpoint, if it saves any"),),
    "update": (
        ("gpuq update 12 time=2h nice=100", "what a pending job asks for"),
        ("gpuq update 12 priority=top", "before my others"),
    ),
    "prio": (("gpuq prio 12", "every term of its priority"),),
    "share": (("gpuq share --ledger", "who lent whom how much"),),
    "usage": (("gpuq usage --by account,user --since 30d --per week", "GPU-hours, and what was for nothing"),),
    "free": (("gpuq free", "by partition and GPU model"),),
    "nodes": (("gpuq nodes", "and what runs on them"),),
    "gpus": (("gpuq gpus --wrong", "those with which something is wrong"),),
    "completions": (("gpuq completions bash > ~/.local/share/bash-completion/completions/gpuq", ""),),
    "top": (("gpuq top --view nodes --read-only", "looks, changes nothing"),),
    "admin account": (("gpuq admin account add vision --shares 3", "beside others with 1: three times as much"),),
    "admin user": (("gpuq admin user add ann --account vision --default", "for her jobs that name none"),),
    "admin limit": (("gpuq admin limit set user:ann running-gpus=8 longest=2d", "at once; for one job"),),
    "admin qos": (("gpuq admin qos add urgent --priority 10 --usage-factor 2", "sooner, and dearer"),),
    "admin node": (("gpuq admin node drain node7 --reason fan", "what runs there goes on"),),
    "admin batch": (("gpuq admin batch people.txt --dry-run", "look at all lines, run none"),),
    "admin audit": (("gpuq admin audit --since 2d -u ann", "what she changed, what was refused"),),
    "admin token": (("gpuq admin token create --expires 30d --name laptop", "for HTTPS; printed once"),),
    "admin simulate": (("gpuq admin simulate trace.csv --nodes 70x8 --policy all", "policies compared"),),
    "admin replay": (("gpuq admin replay --at 14:05", "decide that pass again"),),
    "admin what-if": (('gpuq admin what-if "drain node7 at 18:00"', "whose start moves"),),
}


def epilog(verb: str) -> str | None:
    """Return the examples of a verb as click's help shows them; None if it has none."""
    found = EXAMPLES.get(verb)
    if not found:
        return None
    width = max(len(line) for line, _ in found)
    is_narrow = all(width + len(words) < 72 for _, words in found)
    lines = ["Examples:"]
    for line, words in found:
        if is_narrow:
            lines.append(f"  {line:<{width}}  {words}".rstrip())
        else:
            lines += [f"  {line}", *([f"      {words}"] if words else [])]
    return "\b\n" + "\n".join(lines)
