"""What `gpuqd check` says of the site's own programs."""

from __future__ import annotations

from collections.abc import Iterator

from gpuq.text import clean
from gpuq_daemon.findings import Finding, fail, ok
from gpuq_daemon.hook_tables import HooksTable, HookTable
from gpuq_daemon.hooks.program import problem


def check_hooks(hooks: HooksTable) -> Iterator[Finding]:
    """Yield a finding for each program that is configured: whether it can be run as its user."""
    for name in hooks.__struct_fields__:
        hook: HookTable = getattr(hooks, name)
        if hook.path is None:
            continue
        shown, why = f"hook {name}", problem(hook)
        if why is None:
            yield ok(shown, f"{clean(hook.path)}, at most {hook.timeout_s:g} s")
        else:
            yield fail(shown, f"{clean(hook.path)} cannot be run: {why}", f"mend it, or leave [hooks.{name}] out")
