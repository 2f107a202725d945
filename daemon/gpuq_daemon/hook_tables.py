"""`[hooks]` of the configuration: a site's own programs, when they run, as whom and for how long."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_Seconds = Annotated[float, Meta(ge=0.1, le=3600)]


class HookTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program, by its absolute path. `user` is whom a gpuqd that is root runs it as: anybody but root."""

    path: str | None = None
    user: str = "nobody"
    timeout_s: _Seconds = 60.0


class FilterTable(HookTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked before each job is queued, while who queues it waits."""

    timeout_s: _Seconds = 10.0


class HealthTable(HookTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked of each node every `every_s`; `resume`: a node that it drained is in use again once it is well."""

    every_s: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    resume: bool = False


class NodeHookTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program on the nodes, by its absolute path there; it runs as the job does."""

    path: str | None = None
    timeout_s: _Seconds = 60.0


class HooksTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The programs. Those of nodes run beside each rank, all others on gpuqd's own host."""

    prolog: HookTable = HookTable()
    epilog: HookTable = HookTable()
    health_check: HealthTable = HealthTable()
    submit_filter: FilterTable = FilterTable()
    node_health: NodeHookTable = NodeHookTable()
    node_prolog: NodeHookTable = NodeHookTable()
    node_epilog: NodeHookTable = NodeHookTable()


class JobDefaults(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What jobs get that do not say it themselves, by the names of `JobSpec`."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gpu_type: str | None = None
    time_limit_s: Annotated[int, Meta(ge=1)] | None = None
    signal_s: Annotated[int, Meta(ge=1)] | None = None
    stop_on: str | None = None
    notify: str | None = None


class DefaultsTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Defaults of jobs, by user, account and partition; of what several say the user's counts, then the account's."""

    user: dict[str, JobDefaults] = {}
    account: dict[str, JobDefaults] = {}
    partition: dict[str, JobDefaults] = {}


def hooks_problem(hooks: HooksTable) -> str | None:
    """Return what is impossible in them, in words."""
    for name in hooks.__struct_fields__:
        table: HookTable | NodeHookTable = getattr(hooks, name)
        if table.path is not None and not table.path.startswith("/"):
            return f"[hooks.{name}] path `{table.path}` must be an absolute path"
        if isinstance(table, HookTable) and table.user in ("root", "0", ""):
            return f"[hooks.{name}] user must be somebody else than root: hooks are run without rights"
    return None


def defaults_problem(defaults: DefaultsTable) -> str | None:
    """Return what is impossible in them, in words: what has chosen a default cannot be chosen by it."""
    for kind, chosen in (("account", ("account", "partition")), ("partition", ("partition",))):
        tables: dict[str, JobDefaults] = getattr(defaults, kind)
        for name, table in tables.items():
            for key in chosen:
                if getattr(table, key) is not None:
                    return f"[defaults.{kind}.{name}] cannot set {key}: that is known before it is looked at"
    return None
