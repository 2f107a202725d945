"""Lets jobs in: fills in what was not said, and refuses what can never run or may not be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace

from gpuq.errors import ForbiddenError, GpuqError, NotFoundError, UnavailableError, UsageError
from gpuq.models import Given, JobSpec
from gpuq.near import hint
from gpuq.notices import events_of
from gpuq_daemon.api.caller import Caller, Role
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import task_of
from gpuq_daemon.hook_tables import JobDefaults
from gpuq_daemon.policy import array, dependency, limits, script, ways
from gpuq_daemon.policy.accounts import ROOT, Tree, account_of
from gpuq_daemon.policy.admission import queue_refusal, refusal, rules_refusal
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.reservation import Reservation, with_those_below
from gpuq_daemon.policy.snapshot import QOS, NodeView
from gpuq_daemon.store.job_changes import code_text
from gpuq_daemon.store.jobs import Request
from gpuq_daemon.store.queued import QueueCounts

_LONG_DEPENDENCY = 64 * 1024
_LONG_SCRIPT = 16 * 1024  # characters; a longer one takes too long to parse in this process


async def admitted(desk: Desk, who: Caller, spec: JobSpec, *, for_user: str | None = None) -> Request:
    """Return the job as it is let in. `who` asks; `for_user` None is for themselves.

    Raises:
        UsageError: it cannot be queued; the sentence says which rule or number stands against it.
        ForbiddenError: only an operator may ask for this, or jobs of this user are not run.
    """
    user = who.owner.user if for_user is None else for_user
    partition = _partition(desk, spec)
    if partition not in desk.config.partition:
        known = ", ".join(desk.config.partition)
        near = hint(partition, desk.config.partition, f"there is {known}.")
        raise UsageError(f"There is no partition `{_shown(partition)}`; {near}")
    name = spec.name if spec.name is not None else spec.script_name.removesuffix(".py")
    sha256 = hashlib.sha256(spec.script.encode(errors="surrogatepass")).hexdigest()
    await _check(desk, spec, name, partition, sha256)
    _check_dependencies(desk, who, spec)
    if for_user is None:
        spec = told_of(desk, spec, user)
    if spec.nice < 0 and who.role < Role.OPERATOR:
        raise ForbiddenError("Only an operator may give a job a nice value below 0.")
    if for_user is None and (refused := desk.refused_owner(who.owner, partition)) is not None:
        raise ForbiddenError(refused)
    account, qos = account_for(desk.accounts.tree(), user, spec.account), spec.qos or QOS
    check_rules(desk, spec, limits.Owner(user, account, qos), partition)
    return Request(
        spec=spec,
        owner=who.owner,
        name=name,
        partition=partition,
        account=account,
        qos=qos,
        sha256=sha256,
        array=array.tasks_of(spec),
        code_sha256=None if spec.code is None else hashlib.sha256(code_text(spec.code).encode()).hexdigest(),
    )


def with_defaults(desk: Desk, user: str, spec: JobSpec) -> JobSpec:
    """Return the job with what the site gives jobs of its user, its account and its partition that do not say it."""
    for _, given in _in_turn(desk, user, spec):
        spec = given
    return spec


def given_by_site(desk: Desk, user: str, spec: JobSpec) -> tuple[Given, ...]:
    """Return what `with_defaults` adds to the job, each with the table that says it."""
    found = list[Given]()
    for table, given in _in_turn(desk, user, spec):
        names = [name for name in JobDefaults.__struct_fields__ if getattr(given, name) != getattr(spec, name)]
        found += [Given(field=name, value=getattr(given, name), said_by=table) for name in names]
        spec = given
    return tuple(found)


def _in_turn(desk: Desk, user: str, spec: JobSpec) -> Iterator[tuple[str, JobSpec]]:
    """Yield each table of defaults that counts, with the job as it is after it."""
    defaults = desk.config.defaults
    spec = _given(spec, defaults.user.get(user))
    yield f"[defaults.user.{user}]", spec
    if defaults.account:
        try:
            account = account_for(desk.accounts.tree(), user, spec.account)
        except GpuqError:
            return  # it is refused for that in a moment
        spec = _given(spec, defaults.account.get(account))
        yield f"[defaults.account.{account}]", spec
    partition = _partition(desk, spec)
    yield f"[defaults.partition.{partition}]", _given(spec, defaults.partition.get(partition))


def _given(spec: JobSpec, defaults: JobDefaults | None) -> JobSpec:
    if defaults is None:
        return spec
    given = {name: getattr(defaults, name) for name in defaults.__struct_fields__ if getattr(spec, name) is None}
    return replace(spec, **given)


def told_of(desk: Desk, spec: JobSpec, user: str) -> JobSpec:
    """Return the job with the events that its owner is told of in plain words; where only ways are named, its end.

    Raises:
        UsageError: a word is no event, or the site does not tell by one of its ways.
    """
    events = events_of(spec.notify or ("ended" if spec.notify_to else ""))
    if events in ("", "tasks"):
        return replace(spec, notify=None, notify_to=None)
    found = ways.ways_of(spec.notify_to, user=user)
    refused = found if isinstance(found, str) else ways.refusal(found, desk.config.notify.allowed)
    if refused is not None:
        raise UsageError(refused)
    return replace(spec, notify=events)


def with_tasks(desk: Desk, spec: JobSpec) -> JobSpec:
    """Return the job with the tasks that it depends on, as `afterok:12_3`, by the numbers of their jobs.

    Raises:
        NotFoundError: an array has no such task.
    """
    if spec.dependency is None or "_" not in spec.dependency or len(spec.dependency) > _LONG_DEPENDENCY:
        return spec

    def number(found: re.Match[str]) -> str:
        return str(task_of(desk, int(found[1]), int(found[2])))

    return replace(spec, dependency=re.sub(r"\b([0-9]{1,18})_([0-9]{1,7})\b", number, spec.dependency))


def _partition(desk: Desk, spec: JobSpec) -> str:
    """Return where a job goes: where it says, else the default; else the first that has the GPU model it wants."""
    if spec.partition is not None:
        return spec.partition
    default, gang = desk.config.first_partition, Gang(gpu_type=spec.gpu_type)

    def has_it(name: str) -> bool:
        return any(node.partition == name and gang.takes(node.gpu_type) for node in desk.nodes())

    return next(filter(has_it, (default, *desk.config.partition)), default)


async def _check(desk: Desk, spec: JobSpec, name: str, partition: str, sha256: str) -> None:
    most = desk.config.max_script_kib * 1024
    is_read_beside = _LONG_SCRIPT < len(spec.script) <= most and not desk.remembered.knows(sha256, most)
    found = await desk.scripts.fault(spec.script) if is_read_beside else None
    refused = refusal(
        spec,
        name=name,
        partition=partition,
        nodes=desk.nodes(),
        gpu_kind=desk.gpu_kind(partition),
        max_script_bytes=most,
        now=desk.clock.now(),
        sha256=sha256,
        remembered=desk.remembered,
        fault=(lambda _: found) if is_read_beside else script.fault,
    )
    if refused is not None:
        raise UsageError(refused)


def _check_dependencies(desk: Desk, who: Caller, spec: JobSpec) -> None:
    """Check that the job waits for none that is not theirs to see; such a one is told from none by nothing.

    Raises:
        UsageError: it does.
    """
    if who.sees_all or spec.dependency is None:
        return
    for target in (target for one in dependency.parse(spec.dependency) for target in one.targets):
        try:
            is_there = who.may_see(desk.jobs.job(target).user)
        except NotFoundError:
            is_there = False
        if not is_there:
            raise UsageError(f"There is no job {target} to depend on.")


def account_for(tree: Tree, user: str, wanted: str | None) -> str:
    """Return the account of a user's job. Where nobody is in any account, everybody is under the root.

    Raises:
        UsageError: there is no such account, or the user is not in it.
    """
    if not tree.associations and wanted in (None, ROOT):
        return ROOT
    return account_of(tree, user, wanted)


def check_rules(desk: Desk, spec: JobSpec, owner: limits.Owner, partition: str) -> None:
    """Check that no rule keeps the job from running for ever.

    Raises:
        UsageError: one does.
    """
    nodes, reservations = list[NodeView](), list[Reservation]()
    if spec.reservation is not None:
        parents = desk.accounts.tree().parents()
        reservations = [with_those_below(one, parents) for one in desk.accounts.reservations()]
        nodes = [node for node in desk.nodes() if node.partition == partition]
    refused = rules_refusal(
        spec,
        owner,
        rules=desk.rules(),
        reservations=reservations,
        nodes=nodes,
        now=desk.clock.now(),
    )
    if refused is not None:
        raise UsageError(refused)


def check_queue(desk: Desk, request: Request, queued: QueueCounts) -> None:
    """Check that so many more may be queued, given those pending now, and what they were let in with is still there.

    Raises:
        UsageError: a limit on queued jobs stands against it, or something was deleted meanwhile.
        UnavailableError: the queue is full.
    """
    waiting = queued.refuse_vanished(request.owner.user, request.account, request.qos, request.spec.reservation)
    adding = 1 if request.array is None else len(request.array.indices)
    most = desk.config.max_pending_jobs
    if waiting + adding > most:
        raise UnavailableError(
            f"The queue is full: {waiting} jobs wait, at most {most} may. Try again when some have started."
        )
    owner = limits.Owner(request.owner.user, request.account, request.qos)
    rules = desk.rules().limits
    if all(row.limit.queued_jobs is None for row in limits.rows_of(owner, rules)):
        return
    counts = [(limits.Owner(one.user, one.account, one.qos), one.jobs) for one in queued.by_owner()]
    refused = queue_refusal(owner, counts, rules, adding=adding)
    if refused is not None:
        raise UsageError(refused)


def _shown(text: str) -> str:
    return ascii(text[:64])[1:-1]
