"""The route of the live GPU map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from litestar import Request, get

from gpuq.gpus import Gpu
from gpuq_daemon.api.caller import Caller, caller
from gpuq_daemon.api.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """The GPUs of all nodes that are known, in the order of these."""

    gpus: tuple[Gpu, ...]


@get("/v1/gpus")
async def list_gpus(request: Request[Any, Any, Any], desk: Desk) -> Gpus:
    """Return every GPU: who holds it, how much it is used, and what is wrong with it."""
    who = caller(request)
    return Gpus(gpus=tuple(_seen(who, gpu) for gpu in desk.gpus()))


def _seen(who: Caller, gpu: Gpu) -> Gpu:
    """Return a GPU without what is others' to know."""
    if gpu.user is None or who.may_see(gpu.user):
        return gpu
    return replace(gpu, job_id=None, user=None, rank=None, strangers=())
