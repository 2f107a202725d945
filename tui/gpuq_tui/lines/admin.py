"""What operators decide and how gpuqd fares, as one list; each line knows what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gpuq.diagnosis import Diagnosis, Spread
from gpuq.sharing import LimitRow, ReservationRow
from gpuq.units import duration, moment, plural
from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Tone, line
from gpuq_tui.lists import Lists

_LONG_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the list, its key, and what can be done with it."""

    key: str
    line: Line
    actions: tuple[Action, ...] = ()


def entries(lists: Lists) -> list[Entry]:
    """Return all that is known, section by section; what was not answered is left out."""
    return [
        *(() if lists.diag is None else _daemon(lists.diag)),
        *_drains(lists),
        *_reservations(lists),
        *_accounts(lists),
        *_qos(lists),
        *_limits(lists),
    ]


def _daemon(diag: Diagnosis) -> Iterator[Entry]:
    yield _section("gpuqd", f"{diag.version}, pid {diag.pid}, up {short(diag.at - diag.started_at)}", ())
    yield _plain("memory", f"memory {diag.rss_mib:.0f} MiB (most {diag.peak_rss_mib:.0f}), {diag.threads} threads")
    far = f"{plural(diag.connections, 'connection')}, {plural(diag.streaming, 'stream')}"
    yield _plain("files", f"{diag.open_files} of {diag.most_files} files, {far}")
    jobs = f"{plural(diag.pending, 'pending job')}, {plural(diag.active, 'job')} with GPUs"
    yield _plain("queue", f"{jobs}, {plural(diag.writes, 'write')} since its start")
    for spread in (diag.lag, diag.point_age, *diag.passes, *diag.commits):
        if spread.count:
            yield _plain(f"spread {spread.name}", _spread(spread))
    for engine in diag.engines:
        tone = Tone.PLAIN if engine.wrong is None else Tone.BAD
        text = f"  engine of {engine.partition}: {engine.nodes} nodes, {engine.wrong or 'well'}"
        yield Entry(key=f"engine {engine.partition}", line=line(text, tone))


def _drains(lists: Lists) -> Iterator[Entry]:
    if lists.drains is None:
        return
    add = Action(key="a", deed="drain a node", words=("admin", "node", "drain", ""), is_open=True)
    yield _section("Drained nodes", str(len(lists.drains)), (add,))
    for drain in lists.drains:
        text = f"  {drain.node}  {drain.reason}  by {drain.by_user} since {moment(drain.since)}"
        resume = Action(key="r", deed="let it take jobs again", words=("admin", "node", "resume", drain.node))
        yield Entry(key=f"drain {drain.node}", line=line(text, Tone.WARN), actions=(resume, add))


def _reservations(lists: Lists) -> Iterator[Entry]:
    if lists.reservations is None:
        return
    add = Action(key="a", deed="reserve nodes", words=("admin", "reservation", "create", ""), is_open=True)
    yield _section("Reservations", str(len(lists.reservations)), (add,))
    for held in lists.reservations:
        delete = Action(key="x", deed="give its nodes back", words=("admin", "reservation", "delete", held.name))
        yield Entry(key=f"reservation {held.name}", line=line(_reserved(held)), actions=(delete, add))


def _accounts(lists: Lists) -> Iterator[Entry]:
    if lists.people is None:
        return
    add = Action(key="a", deed="make an account", words=("admin", "account", "add", ""), is_open=True)
    user = Action(key="u", deed="put a user into an account", words=("admin", "user", "add", ""), is_open=True)
    yield _section("Accounts", str(len(lists.people.accounts)), (add, user))
    for account in lists.people.accounts:
        shares = "parent" if account.shares is None else account.shares
        members = [m.user + ("*" if m.is_default else "") for m in lists.people.members if m.account == account.name]
        below = f" below {account.parent}" if account.parent else ""
        text = f"  {account.name}{below}, shares {shares}: {' '.join(members) or 'nobody'}"
        yield Entry(
            key=f"account {account.name}",
            line=line(text),
            actions=(
                Action(key="s", deed="change its shares", words=("admin", "share", account.name, ""), is_open=True),
                Action(key="x", deed="delete it", words=("admin", "account", "delete", account.name)),
                add,
                user,
            ),
        )


def _qos(lists: Lists) -> Iterator[Entry]:
    if lists.qos is None:
        return
    add = Action(key="a", deed="make a QOS", words=("admin", "qos", "add", ""), is_open=True)
    yield _section("QOS", str(len(lists.qos)), (add,))
    for qos in lists.qos:
        only = f", for {' '.join(qos.accounts)} only" if qos.accounts else ""
        change = Action(key="m", deed="change it", words=("admin", "qos", "modify", qos.name, ""), is_open=True)
        delete = Action(key="x", deed="delete it", words=("admin", "qos", "delete", qos.name))
        text = f"  {qos.name}: priority {qos.priority}, {qos.usage_factor:g} x the price{only}"
        yield Entry(key=f"qos {qos.name}", line=line(text), actions=(change, delete, add))


def _limits(lists: Lists) -> Iterator[Entry]:
    if lists.limits is None:
        return
    add = Action(key="a", deed="set a limit", words=("admin", "limit", "set", ""), is_open=True)
    yield _section("Limits", str(len(lists.limits)), (add,))
    for limit in lists.limits:
        whom = f"{limit.kind}:{limit.name}"
        change = Action(key="m", deed="change it", words=("admin", "limit", "set", whom, ""), is_open=True)
        clear = Action(key="x", deed="take it away", words=("admin", "limit", "clear", whom))
        yield Entry(key=f"limit {whom}", line=line(f"  {whom}: {_limited(limit)}"), actions=(change, clear, add))


def _section(name: str, text: str, actions: tuple[Action, ...]) -> Entry:
    return Entry(key=f"section {name}", line=((name, Tone.STRONG), (f"  {text}", Tone.DIM)), actions=actions)


def _plain(key: str, text: str) -> Entry:
    return Entry(key=key, line=line("  " + text))


def _spread(spread: Spread) -> str:
    figures = (("p50", spread.p50_s), ("p99", spread.p99_s), ("max", spread.max_s))
    return f"{spread.name:<23} {spread.count:>7} x  " + "  ".join(f"{n} {_lasted(v):<8}" for n, v in figures).rstrip()


def _lasted(seconds: float) -> str:
    return short(seconds) if seconds >= _LONG_S else f"{seconds * 1000:.1f} ms"


def _reserved(held: ReservationRow) -> str:
    whose = ", ".join((*held.accounts, *held.users)) or "maintenance"
    return f"  {held.name}: {' '.join(held.nodes)} for {whose}, {moment(held.start_at)} to {moment(held.end_at)}"


def _limited(limit: LimitRow) -> str:
    parts = [
        *([] if limit.running_gpus is None else [f"{limit.running_gpus} GPUs at once"]),
        *([] if limit.running_jobs is None else [f"{limit.running_jobs} jobs at once"]),
        *([] if limit.queued_jobs is None else [f"{limit.queued_jobs} queued"]),
        *([] if limit.gpu_hours is None else [f"{limit.gpu_hours:g} GPU-hours a period"]),
        *([] if limit.longest_s is None else [f"at most {duration(limit.longest_s)} a job"]),
    ]
    return ", ".join(parts) or "none"
