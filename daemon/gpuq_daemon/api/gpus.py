"""The route of the live GPU map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, get

from gpuq.gpus import Gpu
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.visible import seen_gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """The GPUs of all nodes that are known, in the order of these."""

    gpus: tuple[Gpu, ...]


@get("/v1/gpus")
async def list_gpus(request: Request[Any, Any, Any], desk: Desk) -> Gpus:
    """Return every GPU: who holds it, how much it is used, and what is wrong with it."""
    who = caller(request)
    return Gpus(gpus=tuple(seen_gpu(who, gpu) for gpu in desk.gpus()))
