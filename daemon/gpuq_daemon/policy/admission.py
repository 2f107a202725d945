"""What can never run, or must not be let in: refused at once, with the number that stands against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import isfinite

from gpuq.errors import UsageError
from gpuq.models import JobSpec, SignalKind
from gpuq.text import clean, fit
from gpuq.units import plural
from gpuq_daemon.policy import array, code, dependency, limits, reservation, script
from gpuq_daemon.policy.capacity import never_fits
from gpuq_daemon.policy.gang import Gang, Layout
from gpuq_daemon.policy.limits import Limits, Owner, Scope
from gpuq_daemon.policy.remembered import Remembered
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import QOS, NodeView

LONGEST_NAME = 128
LONGEST_ARGS = 64 * 1024
MOST_ARGS = 4096
LONGEST_WORDS = 1024
MOST_WORKERS = 4096
LONGEST_LIMIT_S = 366 * 86_400
LONGEST_WAIT_S = 10 * LONGEST_LIMIT_S
MOST_NICE = 2_147_483_645  # Slurm's
MOST_CPUS = 65_536
MOST_EPOCHS = 1_000_000
MOST_SIGNAL_S = 86_400
MOST_RETRIES = 100
MOST_MEMORY_MIB = 1 << 30

_STOPS = tuple(kind for kind in SignalKind if kind not in (SignalKind.PROLOG, SignalKind.EPILOG))


def refusal(
    spec: JobSpec,
    *,
    name: str,
    partition: str,
    nodes: Sequence[NodeView],
    gpu_kind: str,
    max_script_bytes: int,
    now: float,
    sha256: str = "",
    remembered: Remembered | None = None,
    fault: Callable[[str], str | None] = script.fault,
) -> str | None:
    """Return why the job cannot be queued whoever asks, in one sentence, or None if it can.

    `sha256` is that of the script, for what is `remembered` of it; None begins anew. `fault` says what is
    wrong with it.
    """
    known, gang = remembered or Remembered(), partial(gang_of, spec)
    return (
        _bad_numbers(spec)
        or _bad_extras(spec)
        or _bad_times(spec, now)
        or _bad_text(spec, name)
        or _bad_words(spec)
        or code.refusal(spec.code, spec.script_name)
        or known.script(sha256, max_script_bytes, lambda: _bad_script(spec, max_script_bytes, fault))
        or known.gang(partition, gang(), nodes, lambda: _never_fits(gang(), partition, nodes, gpu_kind))
    )


def _never_fits(gang: Gang, partition: str, nodes: Sequence[NodeView], gpu_kind: str) -> str | None:
    of_partition = [node for node in nodes if node.partition == partition]
    return _bad_model(gang, partition, nodes) or never_fits(gang, partition, of_partition, gpu_kind)


def rules_refusal(
    spec: JobSpec,
    owner: Owner,
    *,
    rules: Rules,
    reservations: Sequence[Reservation],
    nodes: Sequence[NodeView],
    now: float,
) -> str | None:
    """Return which rule of the cluster the job can never meet, in one sentence, or None.

    `nodes` are those of its partition.
    """
    if owner.qos != QOS and owner.qos not in rules.qos:
        return f"There is no QOS '{_shown(owner.qos)}': use one of {_usable(owner, rules)}."
    if not _may_use(owner.qos, owner, rules):
        return f"Account {owner.account} may not use the QOS {owner.qos}: use one of {_usable(owner, rules)}."
    refused = limits.never(owner, spec.gpus, spec.time_limit_s, rules.limits)
    if refused is None and spec.reservation is not None:
        refused = reservation.use_refusal(
            spec.reservation, reservations, user=owner.user, account=owner.account, limit_s=spec.time_limit_s, now=now
        ) or _outside(spec, reservations, nodes)
    return refused


def _may_use(qos: str, owner: Owner, rules: Rules) -> bool:
    accounts = rules.qos[qos].accounts if qos in rules.qos else ()
    return not accounts or any(account in accounts for account in rules.limits.line(owner.account))


def _usable(owner: Owner, rules: Rules) -> str:
    return ", ".join(sorted(qos for qos in {QOS, *rules.qos} if _may_use(qos, owner, rules)))


def _outside(spec: JobSpec, reservations: Iterable[Reservation], nodes: Sequence[NodeView]) -> str | None:
    """Return why the nodes of the job's reservation, of those given, can never hold it, or None."""
    kept = next(one for one in reservations if one.name == spec.reservation)
    inside = [node for node in nodes if node.name in kept.nodes]
    if inside and never_fits(gang_of(spec), inside[0].partition, inside, "GPU") is None:
        return None
    has = f"{', '.join(node.name for node in inside[:5])} there" if inside else "no node there"
    return f"The reservation {kept.name} cannot hold the job in its partition: it keeps {has}."


def queue_refusal(owner: Owner, queued: Iterable[tuple[Owner, int]], rules: Limits, *, adding: int) -> str | None:
    """Return the limit on queued jobs that `adding` more would break, or None. `queued` are counts of pending jobs."""
    counts: dict[Scope, int] = {}
    for who, jobs in queued:
        for row in limits.rows_of(who, rules):
            counts[row.scope] = counts.get(row.scope, 0) + jobs
    return limits.queue_full(owner, counts, rules, adding=adding)


def gang_of(spec: JobSpec) -> Gang:
    """Return the gang that a checked spec asks for."""
    return Gang(
        workers=spec.workers,
        gpus_per_worker=spec.gpus_per_worker,
        gpu_type=spec.gpu_type,
        cpus_per_worker=spec.cpus_per_worker,
        memory_mib_per_worker=spec.memory_mib_per_worker,
        ps=spec.ps,
        evaluator=spec.evaluator,
        cpus_per_ps=spec.cpus_per_ps,
        memory_mib_per_ps=spec.memory_mib_per_ps,
        nodes=spec.nodes,
        is_exclusive=spec.exclusive,
        layout=Layout(spec.layout),
    )


def _bad_numbers(spec: JobSpec) -> str | None:
    if spec.workers < 1:
        return f"A job needs at least 1 worker; this one asks for {spec.workers}."
    if spec.workers > MOST_WORKERS:
        return f"A job may have at most {MOST_WORKERS} workers; this one asks for {spec.workers}."
    if spec.gpus_per_worker < 1:
        return f"A worker needs at least 1 GPU; this job asks for {spec.gpus_per_worker}."
    if spec.gpus_per_worker > MOST_WORKERS:
        return f"A worker may have at most {MOST_WORKERS} GPUs; this job asks for {spec.gpus_per_worker}."
    if spec.time_limit_s is not None and not 1 <= spec.time_limit_s <= LONGEST_LIMIT_S:
        return f"The time limit must be between 1 second and 366 days; it is {spec.time_limit_s} s."
    return None


def _bad_extras(spec: JobSpec) -> str | None:
    if spec.nodes is not None and not 1 <= spec.nodes <= spec.workers:
        most = "1 node" if spec.workers == 1 else f"1 to {spec.workers} nodes"
        return f"A job of {plural(spec.workers, 'worker')} lies on {most}; this one asks for {spec.nodes}."
    if spec.layout not in tuple(Layout):
        return f"The layout '{_shown(spec.layout)}' does not exist: use pack or spread."
    if not 0 <= spec.cpus_per_worker <= MOST_CPUS:
        return f"A worker may ask for 0 to {MOST_CPUS} CPUs; this job asks for {spec.cpus_per_worker}."
    if not 0 <= spec.memory_mib_per_worker <= MOST_MEMORY_MIB:
        return f"A worker may ask for 0 to {MOST_MEMORY_MIB} MiB; this job asks for {spec.memory_mib_per_worker}."
    if not 0 <= spec.ps <= MOST_WORKERS:
        return f"A job may have 0 to {MOST_WORKERS} parameter servers; this one asks for {spec.ps}."
    if not 1 <= spec.cpus_per_ps <= MOST_CPUS:
        return f"A parameter server may ask for 1 to {MOST_CPUS} CPUs; this job asks for {spec.cpus_per_ps}."
    if not 0 <= spec.memory_mib_per_ps <= MOST_MEMORY_MIB:
        return f"A parameter server may ask for 0 to {MOST_MEMORY_MIB} MiB; this job asks for {spec.memory_mib_per_ps}."
    if (refused := _bad_mode(spec)) is not None:
        return refused
    if spec.stop_on is not None and len(spec.stop_on) > LONGEST_WORDS:
        return f"What a job is stopped on may have {LONGEST_WORDS} characters; this has {len(spec.stop_on)}."
    for word in () if spec.stop_on is None else spec.stop_on.split(","):
        if word not in _STOPS:
            return f"A job cannot be stopped on '{_shown(word)}': there is {', '.join(_STOPS)}."
    if not -MOST_NICE <= spec.nice <= MOST_NICE:
        return f"The nice value must be from {-MOST_NICE} to {MOST_NICE}; it is {spec.nice}."
    if spec.signal_s is not None and not 1 <= spec.signal_s <= MOST_SIGNAL_S:
        return f"A signal must come 1 s to {MOST_SIGNAL_S} s before the end; this job asks for {spec.signal_s} s."
    if spec.signal_s is not None and spec.time_limit_s is not None and spec.signal_s >= spec.time_limit_s:
        return (
            f"A signal {spec.signal_s} s before the time limit needs a longer time limit: it is {spec.time_limit_s} s."
        )
    if not 0 <= spec.retries <= MOST_RETRIES:
        return f"A job may be tried again 0 to {MOST_RETRIES} times; this one asks for {spec.retries}."
    return None


def _bad_mode(spec: JobSpec) -> str | None:
    """Return which of the ways to train exclude each other in this job, or None."""
    if not 0 <= spec.epochs <= MOST_EPOCHS:
        return f"A job may be fed 1 to {MOST_EPOCHS} epochs; this one asks for {spec.epochs}."
    if spec.independent and (spec.ps or spec.evaluator or spec.epochs or spec.driver):
        return "Independent workers have no parameter servers, evaluator, feed or driver script: leave those out."
    if spec.driver and spec.epochs:
        return "A driver script feeds its cluster itself: leave --epochs out, or --driver."
    if spec.evaluator and spec.epochs:
        return "TensorFlowOnSpark has no evaluator where rows are fed: leave --evaluator out, or --epochs."
    return None


def _bad_times(spec: JobSpec, now: float) -> str | None:
    for what, at in (("earliest start", spec.begin_at), ("deadline", spec.deadline)):
        if at is not None and not (isfinite(at) and 0 <= at <= now + LONGEST_WAIT_S):
            return f"The job's {what} must be a time within ten years from now."
    if spec.deadline is None:
        return None
    if spec.deadline <= now:
        return "The job's deadline is in the past: give a later one."
    start = now if spec.begin_at is None else max(spec.begin_at, now)
    if start + (spec.time_limit_s or 0) > spec.deadline:
        left = int(max(spec.deadline - start, 0))
        asks = "starts later" if spec.time_limit_s is None else f"has a time limit of {spec.time_limit_s} s"
        return f"The job cannot meet its deadline: it is {left} s after the earliest start, and the job {asks}."
    return None


def _bad_words(spec: JobSpec) -> str | None:
    for word in (spec.gpu_type, spec.account, spec.qos, spec.reservation):
        if word is not None and (not word.strip() or not word.isprintable() or len(word) > LONGEST_NAME):
            return f"'{_shown(word)}' cannot be a name: use printable characters, {LONGEST_NAME} at most."
    try:
        array.tasks_of(spec)
        if spec.dependency is not None:
            dependency.parse(spec.dependency)
    except UsageError as error:
        return str(error)
    return None


def _bad_model(gang: Gang, partition: str, nodes: Sequence[NodeView]) -> str | None:
    """Return where the GPU model is, if it is in other partitions only."""
    having = sorted({node.partition for node in nodes if node.gpus and gang.takes(node.gpu_type)})
    if gang.gpu_type is None or not having or partition in having:
        return None
    model = " or ".join(gang.gpu_types)
    where = f"partition {having[0]} has" if len(having) == 1 else f"the partitions {', '.join(having)} have"
    return f"There is no GPU model '{_shown(model)}' in partition {partition}; {where} it."


def _shown(word: str) -> str:
    return fit(clean(word[:200]), 40)


def _bad_text(spec: JobSpec, name: str) -> str | None:
    if not name.strip() or not name.isprintable():
        return "The job's name holds control characters or nothing: use printable characters on one line."
    if len(name) > LONGEST_NAME:
        return f"The job's name has {len(name)} characters; at most {LONGEST_NAME} are allowed."
    script_name = spec.script_name
    if not script_name.isprintable() or "/" in script_name or script_name in ("", ".", ".."):
        return "The script's name must be a plain file name."
    if len(script_name.encode(errors="surrogatepass")) > LONGEST_NAME:
        return f"The script's name is longer than {LONGEST_NAME} bytes: give the file a shorter one."
    if len(spec.args) > MOST_ARGS:
        return f"The script gets {len(spec.args)} arguments; at most {MOST_ARGS} are allowed: use a file."
    if sum(map(len, spec.args)) > LONGEST_ARGS or any("\0" in word for word in spec.args):
        return f"The script's arguments hold a zero byte or more than {LONGEST_ARGS} characters: use a file."
    try:
        "".join((name, script_name, *spec.args)).encode()
    except UnicodeEncodeError:
        return "The job's name and arguments must be valid Unicode text."
    return None


def _bad_script(spec: JobSpec, max_bytes: int, fault: Callable[[str], str | None]) -> str | None:
    try:
        size = len(spec.script.encode())
    except UnicodeEncodeError:
        return "The script is not valid Unicode text: save it as UTF-8."
    if size > max_bytes:
        return (
            f"The script has {size / 1048576:.1f} MiB; at most {max_bytes / 1048576:.3g} MiB are allowed: "
            "keep data in files of their own."
        )
    return fault(spec.script)
