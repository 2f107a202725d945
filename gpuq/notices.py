"""What can be told of a job, and by which ways: the words of `--notify` and `--notify-to`, and Slurm's for them."""

from __future__ import annotations

from gpuq.errors import UsageError
from gpuq.near import hint
from gpuq.text import clean, fit

SIGNALS = ("nan", "exploded", "no-progress", "slow-rank", "idle", "full-but-idle", "throttled", "stranger")
LIMITS = {"limit-50": 0.5, "limit-80": 0.8, "limit": 0.9}  # the part of the time limit that is over
EVENTS = ("started", "ended", "failed", "requeued", *LIMITS, "silent", *SIGNALS)
TASKS = "tasks"  # of an array: each task by itself
_LONGEST = 1024
_MANY = {"all": (*EVENTS,), "signals": SIGNALS}
# Source: Slurm, sbatch(1), --mail-type. None: there is no such thing here, and it is no error to ask for it.
_SLURM: dict[str, str | None] = {
    "NONE": None, "BEGIN": "started", "END": "ended", "FAIL": "failed", "REQUEUE": "requeued",
    "ALL": "started,ended,failed,requeued", "INVALID_DEPEND": None, "STAGE_OUT": None, "TIME_LIMIT": "failed",
    "TIME_LIMIT_90": "limit", "TIME_LIMIT_80": "limit-80", "TIME_LIMIT_50": "limit-50", "ARRAY_TASKS": "tasks",
}  # fmt: skip


def events_of(text: str) -> str:
    """Return what is to be told, each word once and in the order of `EVENTS`; "" for none.

    Raises:
        UsageError: a word is no event.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"What is told may be named in {_LONGEST} characters; this has {len(text)}: name each once.")
    wanted = set[str]()
    for word in text.replace(" ", ",").split(","):
        name = word.strip().lower()
        if name in ("", "none"):
            continue
        if name not in (*EVENTS, TASKS, *_MANY):
            raise UsageError(f"Nothing is told of '{fit(clean(word), 40)}'; {_near(name, (*EVENTS, TASKS, *_MANY))}")
        wanted.update(_MANY.get(name, (name,)))
    return ",".join(name for name in (*EVENTS, TASKS) if name in wanted)


def events_of_slurm(text: str) -> str:
    """Return what `--mail-type` asks for in our words; "" for nothing.

    Raises:
        UsageError: Slurm has no such type.
    """
    words: list[str] = []
    for word in text.split(","):
        name = word.strip().upper()
        if name not in _SLURM:
            raise UsageError(f"'{fit(clean(word), 40)}' is no type of mail; {_near(name, tuple(_SLURM))}")
        words.append(_SLURM[name] or "")
    return events_of(",".join(words))


def _near(word: str, known: tuple[str, ...]) -> str:
    return hint(word, known, f"there is {', '.join(known)}.")
