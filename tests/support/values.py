"""Values with defaults, so that a test names only what matters."""

from __future__ import annotations

from typing import Any

from gpuq.models import JobSpec
from gpuq_daemon.policy.snapshot import NodeView

MAIN_FUN = "def main_fun(args, ctx):\n    pass\n"


def a_spec(**named: Any) -> JobSpec:
    """Return a spec of one worker with one GPU."""
    values: dict[str, Any] = {"script_name": "train.py", "script": MAIN_FUN, **named}
    return JobSpec(**values)


def a_node(name: str, gpus: int, **named: Any) -> NodeView:
    """Return a node of the partition `p` that is up."""
    values: dict[str, Any] = {"partition": "p", **named}
    return NodeView(name=name, gpus=gpus, **values)


class Bytes:
    """A source of a checkpoint's bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]
