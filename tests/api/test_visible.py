"""What is shown to whom of that which is nobody's job."""

from __future__ import annotations

from gpuq.gpus import Gpu, GpuState, Stranger
from gpuq_daemon.api.caller import Caller, Role
from gpuq_daemon.api.visible import seen_gpu
from gpuq_daemon.store.jobs import Owner


def test_whose_processes_are_on_a_gpu_is_for_its_jobs_owner_and_for_who_sees_everything() -> None:
    ann = Caller(owner=Owner(user="ann", uid=1), role=Role.USER, source="pid 1", token=None, sees_all=False)
    op = Caller(owner=Owner(user="op", uid=2), role=Role.OPERATOR, source="pid 2", token=None, sees_all=True)
    eve = (Stranger(pid=7, user="eve", command="mine"),)

    def seen(who: Caller, user: str | None) -> tuple[object, ...]:
        gpu = Gpu(node="a", partition="p", place=0, kind="GPU", state=GpuState.STRANGER, user=user, strangers=eve)
        shown = seen_gpu(who, gpu)
        return shown.state, shown.user, shown.strangers

    assert [seen(ann, user) for user in ("ann", "bo", None)] == [
        (GpuState.STRANGER, "ann", eve),
        (GpuState.STRANGER, None, ()),
        (GpuState.STRANGER, None, ()),
    ]
    assert [seen(op, user)[1:] for user in ("bo", None)] == [("bo", eve), (None, eve)]
