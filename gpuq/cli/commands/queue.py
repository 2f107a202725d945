"""`gpuq queue`."""

from __future__ import annotations

import click

from gpuq.cli.queue import print_queue
from gpuq.cli.views.queue import FINAL, SHORT_STATES
from gpuq.errors import UsageError
from gpuq.text import clean


@click.command("queue")
@click.option("--all", "-a", "everything", is_flag=True, help="Ended jobs too.")
@click.option("--user", "-u", help="Only this user's jobs.")
@click.option("--mine", "-m", is_flag=True, help="Only your own jobs.")
@click.option(
    "--state", "-s", "words", multiple=True, help="Only these states: R, pd,cf or FAILED; ended ones imply --all."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of jobs.")
def command(everything: bool, user: str | None, mine: bool, words: tuple[str, ...], as_json: bool) -> None:
    """Show the queue: who has the GPUs, who waits, and why.

    \b
    ST: PD pending, CF configuring, R running, CG completing, CD completed,
        F failed, CA cancelled, TO timeout, DL deadline.
    TIME: how long a pending job has waited, and any other has run; - if it never did.
    A running job shows its newest loss, the step, and v (falls) or ^ (rises).
    """
    states = parse_states(words)
    print_queue(everything=everything or bool(states & FINAL), user=user, states=states, is_mine=mine, as_json=as_json)


def parse_states(words: tuple[str, ...]) -> frozenset[str]:
    """Return the states named by words such as `pd,R` or `FAILED`, in any case.

    Raises:
        UsageError: a word is no state.
    """
    names = {short: state for state, short in SHORT_STATES.items()} | {state: state for state in SHORT_STATES}
    found: set[str] = set()
    for word in ",".join(words).replace(" ", ",").split(","):
        if not word:
            continue
        if word.upper() not in names:
            known = ", ".join(f"{short} {state}" for state, short in SHORT_STATES.items())
            raise UsageError(f"'{clean(word)[:40]}' is not a job state; states are {known}.")
        found.add(names[word.upper()])
    return frozenset(found)
