"""What `gpuqd check` says of the site's own programs."""

from __future__ import annotations

from collections.abc import Iterator

from gpuq.errors import UsageError
from gpuq.text import clean
from gpuq_daemon.findings import Finding, fail, ok
from gpuq_daemon.hook_tables import HooksTable, HookTable, NodeHookTable
from gpuq_daemon.hooks.program import problem, writable_by_others


def check_hooks(hooks: HooksTable) -> Iterator[Finding]:
    """Yield a finding for each program that is configured: whether it can be run as its user."""
    for name in hooks.__struct_fields__:
        hook: HookTable | NodeHookTable = getattr(hooks, name)
        if hook.path is None:
            continue
        if isinstance(hook, NodeHookTable):
            yield ok(
                f"hook {name}", f"{clean(hook.path)} on the nodes, at most {hook.timeout_s:g} s; not looked at here"
            )
            continue
        shown, why = f"hook {name}", problem(hook)
        if why is None:
            yield ok(shown, f"{clean(hook.path)}, at most {hook.timeout_s:g} s")
        else:
            yield fail(shown, f"{clean(hook.path)} cannot be run: {why}", f"mend it, or leave [hooks.{name}] out")


def refuse_writable(hooks: HooksTable) -> None:
    """Refuse programs that others than their owner could have written: gpuqd would run them.

    Raises:
        UsageError: there is one.
    """
    for name in hooks.__struct_fields__:
        hook: HookTable | NodeHookTable = getattr(hooks, name)
        try:
            place = None if hook.path is None or isinstance(hook, NodeHookTable) else writable_by_others(hook.path)
        except OSError:
            continue  # it is not there: that is told when it is to run, and by `gpuqd check`
        if place is not None:
            raise UsageError(
                f"[hooks.{name}]: others than the owner of {clean(place)} may write there, and gpuqd would run what "
                f"they write: chmod go-w {clean(place)}."
            )
