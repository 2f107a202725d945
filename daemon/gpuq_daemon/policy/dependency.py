"""What a job waits for: other jobs, and how they must have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gpuq.errors import UsageError
from gpuq.text import clean, fit

MOST_TARGETS = 1000
_LONGEST = 64 * 1024


class Kind(StrEnum):
    """When a dependency is satisfied; Slurm's words."""

    AFTER = "after"
    AFTER_ANY = "afterany"
    AFTER_OK = "afterok"
    AFTER_NOT_OK = "afternotok"
    AFTER_CORR = "aftercorr"
    SINGLETON = "singleton"


_KINDS = {kind.value: kind for kind in Kind}


class Fate(StrEnum):
    """What has become of a job that others wait for. One that has not started has none."""

    STARTED = "started"
    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One condition on other jobs; all of a job's must hold. Singleton has no targets.

    A target may be a whole array. `aftercorr` is kept with the one task it corresponds to, see `for_task`.
    """

    kind: Kind
    targets: tuple[int, ...] = ()


class Standing(StrEnum):
    """How a dependency stands."""

    MET = "met"
    OPEN = "open"
    NEVER = "never"


def parse(text: str) -> tuple[Dependency, ...]:
    """Return what `afterok:12:13,afterany:14,singleton` says.

    Raises:
        UsageError: a kind is unknown, a job is no number, or there are too many.
    """
    parts, targets = text.count(",") + 1, text.count(":")
    if len(text) > _LONGEST or max(parts, targets) > MOST_TARGETS:
        raise UsageError(f"A job can depend on at most {MOST_TARGETS} others: depend on an array as a whole instead.")
    return tuple(_parse_one(part.strip()) for part in text.split(","))


def _parse_one(part: str) -> Dependency:
    word, *targets = part.split(":")
    kind = _KINDS.get(word.strip().lower())
    if kind is None:
        raise UsageError(f"'{fit(clean(word), 40)}' is not a dependency: use one of {', '.join(_KINDS)}.")
    if kind is Kind.SINGLETON:
        if targets:
            raise UsageError("`singleton` takes no job number.")
        return Dependency(kind=kind)
    if not targets:
        raise UsageError(f"`{kind}` needs a job: write {kind}:JOB.")
    for target in targets:
        if not (target.isascii() and target.isdigit() and len(target) < 19 and int(target) > 0):
            raise UsageError(f"'{fit(clean(target), 40)}' is not a job number: write {kind}:JOB.")
    return Dependency(kind=kind, targets=tuple(dict.fromkeys(int(target) for target in targets)))


def for_task(
    dependencies: Iterable[Dependency], index: int | None, task: Callable[[int, int], int | None]
) -> tuple[Dependency, ...]:
    """Return the dependencies of one task of an array: `aftercorr` waits for the same task of the other.

    `task(array, index)` is the job of that task. Outside an array, or where the other array has no such
    task, `aftercorr` waits for all of it, as `afterok`.
    """
    made: list[Dependency] = []
    for one in dependencies:
        if one.kind is Kind.AFTER_CORR:
            tasks = tuple(target if index is None else task(target, index) or target for target in one.targets)
            made.append(Dependency(kind=Kind.AFTER_OK, targets=tasks))
        else:
            made.append(one)
    return tuple(made)


def standing(one: Dependency, fates: Mapping[int, Fate], *, is_alone: bool = True) -> Standing:
    """Return how a dependency stands. `is_alone`: no earlier job of the same user and name is unfinished."""
    if one.kind is Kind.SINGLETON:
        return Standing.MET if is_alone else Standing.OPEN
    # A loop, not a generator: this is asked for every dependent job at each end of another.
    met = True
    for target in one.targets:
        fate = fates.get(target)
        match one.kind:
            case Kind.AFTER:
                met = met and fate is not None
            case Kind.AFTER_ANY:
                met = met and fate in (Fate.OK, Fate.FAILED)
            case Kind.AFTER_OK | Kind.AFTER_CORR:
                if fate is Fate.FAILED:
                    return Standing.NEVER
                met = met and fate is Fate.OK
            case Kind.AFTER_NOT_OK:
                if fate is Fate.OK:
                    return Standing.NEVER
                met = met and fate is Fate.FAILED
    return Standing.MET if met else Standing.OPEN


def array_fate(tasks: Iterable[Fate | None]) -> Fate | None:
    """Return the fate of an array: as soon as one task has started STARTED, when all have ended OK or FAILED."""
    fates = list(tasks)
    if not fates or all(fate is None for fate in fates):
        return None
    if any(fate is None or fate is Fate.STARTED for fate in fates):
        return Fate.STARTED
    return Fate.FAILED if Fate.FAILED in fates else Fate.OK


def cycle(
    job_id: int, wanted: Iterable[Dependency], of: Callable[[int], Iterable[Dependency]]
) -> tuple[int, ...] | None:
    """Return the jobs round which `job_id` would wait for itself, or None.

    `of(job)` are the dependencies of a job that has not ended, or nothing.
    """
    came_from: dict[int, int] = {}
    to_see = [target for one in wanted for target in one.targets]
    for target in to_see:
        came_from.setdefault(target, job_id)
    seen: set[int] = set()
    while to_see:
        here = to_see.pop()
        if here == job_id:
            return _way(job_id, came_from)
        if here in seen:
            continue
        seen.add(here)
        for target in (target for one in of(here) for target in one.targets):
            if target not in came_from:
                came_from[target] = here
            to_see.append(target)
    return None


def _way(job_id: int, came_from: Mapping[int, int]) -> tuple[int, ...]:
    way, here = [job_id], came_from[job_id]
    while here != job_id:
        way.append(here)
        here = came_from[here]
    return (*reversed([*way[1:]]), job_id) if len(way) > 1 else (job_id,)


def refusal(
    job_id: int | None,
    wanted: tuple[Dependency, ...],
    *,
    known: Callable[[int], bool],
    of: Callable[[int], Iterable[Dependency]],
) -> str | None:
    """Return why these dependencies cannot be, in one sentence, or None. `job_id` None is a new job."""
    for target in (target for one in wanted for target in one.targets):
        if not known(target):
            return f"There is no job {target} to depend on."
    if job_id is None:
        return None  # nobody can wait for a job that has no number yet
    way = cycle(job_id, wanted, of)
    if way is None:
        return None
    if way == (job_id,):
        return f"Job {job_id} cannot depend on itself."
    return (
        f"Job {job_id} would wait for itself, by way of {', '.join(str(one) for one in way[:-1])}: drop one dependency."
    )
