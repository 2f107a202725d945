"""Every GPU of every node, and how it is: nodes, who holds what, and what is told of it, put together. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gpuq.gpus import Gpu, GpuState, Stranger
from gpuq.models import Job, Node
from gpuq_daemon.series.sampled import GpuSample, Sample


def gpu_map(
    nodes: Sequence[Node],
    jobs: Sequence[Job],
    held: Mapping[int, Mapping[str, int]],
    samples: Mapping[tuple[int, int], Sample],
    *,
    idle_after_s: float,
    here: Mapping[str, GpuSample],
    nodes_here: Collection[str],
) -> tuple[Gpu, ...]:
    """Return the GPUs of all nodes in their order: on each node by their names, or those that are held first.

    `jobs` hold GPUs, `held` of each how many on which node; `samples` are by job and rank. `here` is what this
    machine's own GPUs tell, by name: it fills in what no rank has told, on `nodes_here`.
    """
    taken = _Taken(jobs, held, samples, idle_after_s)
    left = {name: gpu for name, gpu in here.items() if name not in taken.names_on(nodes_here)}
    found: list[Gpu] = []
    for node in nodes:
        cells = _in_place(list(taken.on(node))[: node.gpus], node)
        if node.name in nodes_here and node.is_up:
            cells = [_told(cell, left) if cell.job_id is None else cell for cell in cells]
        found += [replace(cell, place=place) for place, cell in enumerate(cells)]
    return tuple(found)


def appearance(gpu: Gpu) -> tuple[object, ...]:
    """Return what of a GPU is worth being told of: what it is, and coarsely how much it is used and how hot."""
    return (
        *(gpu.partition, gpu.state, gpu.kind, gpu.name, gpu.model, gpu.job_id, gpu.user, gpu.rank),
        *(gpu.throttled, tuple(one.pid for one in gpu.strangers), gpu.memory_total_mib),
        *(_coarse(gpu.util, 20), _coarse(gpu.cpu, 25), _coarse(gpu.memory_mib, 4096), _coarse(gpu.temperature_c, 10)),
        _coarse(gpu.power_w, 50),
    )


def without_others(gpu: Gpu) -> Gpu:
    """Return a GPU without what is only for those to know who may see its job."""
    return replace(gpu, job_id=None, user=None, rank=None, strangers=())


def _in_place(held: list[Gpu], node: Node) -> list[Gpu]:
    """Return a cell for every slot of a node: where it tells their names each has the place of its own."""
    cells: list[Gpu | None] = [None] * node.gpus
    rest = list[Gpu]()
    for cell in held:
        place = node.gpu_names.index(cell.name) if cell.name in node.gpu_names else -1
        if 0 <= place < node.gpus and cells[place] is None:
            cells[place] = cell
        else:
            rest.append(cell)
    for place, cell in enumerate(cells):
        if cell is None:
            name = node.gpu_names[place] if place < len(node.gpu_names) else None
            cells[place] = rest.pop(0) if rest else replace(_free(node), name=name)
    return [cell for cell in cells if cell is not None]


def _told(cell: Gpu, left: dict[str, GpuSample]) -> Gpu:
    """Return a free cell with what its GPU tells: the one of its name, or any that is in no cell yet."""
    name = cell.name if cell.name is not None else next(iter(left), None)
    gpu = None if name is None else left.pop(name, None)
    return cell if gpu is None else _filled(cell, gpu)


def _coarse(value: float | None, by: float) -> int | None:
    return None if value is None else round(value / by)


@dataclass(frozen=True, slots=True)
class _Taken:
    """The GPUs that jobs hold."""

    jobs: Sequence[Job]
    held: Mapping[int, Mapping[str, int]]
    samples: Mapping[tuple[int, int], Sample]
    idle_after_s: float

    def on(self, node: Node) -> Iterator[Gpu]:
        """Yield a cell for each GPU of a node that is held; of ranks that have not told theirs without a name."""
        for job in self.jobs:
            count = self.held.get(job.id, {}).get(node.name, 0)
            told = [
                cell for rank in job.ranks if rank.node == node.name for cell in self._of_rank(job, node, rank.rank)
            ]
            yield from told[:count]
            for _ in range(count - len(told)):
                yield replace(_free(node), state=GpuState.BUSY, job_id=job.id, user=job.user)

    def names_on(self, nodes: Collection[str]) -> set[str]:
        """Return the GPUs of some nodes that ranks have."""
        return {gpu for job in self.jobs for rank in job.ranks if rank.node in nodes for gpu in rank.gpus}

    def _of_rank(self, job: Job, node: Node, number: int) -> Iterator[Gpu]:
        rank = next(rank for rank in job.ranks if rank.rank == number)
        sample = self.samples.get((job.id, number))
        for name in rank.gpus:
            cell = replace(_free(node), state=GpuState.BUSY, name=name, job_id=job.id, user=job.user, rank=number)
            if sample is not None:
                is_idle = sample.idle_s >= self.idle_after_s
                cell = replace(cell, cpu=sample.cpu, idle_s=sample.idle_s, at=sample.t)
                cell = replace(cell, state=GpuState.IDLE) if is_idle else cell
                gpu = next((one for one in sample.gpus if name in (one.name, one.uuid)), None)
                cell = cell if gpu is None else _filled(cell, gpu)
            yield cell


def _free(node: Node) -> Gpu:
    return Gpu(
        node=node.name,
        partition=node.partition,
        place=0,
        state=GpuState.FREE if node.is_up else GpuState.DOWN,
        kind=node.gpu_kind,
        model=node.gpu_type,
    )


def _filled(cell: Gpu, gpu: GpuSample) -> Gpu:
    """Return a cell with what its GPU tells; what is wrong with it is what it is."""
    state = GpuState.STRANGER if gpu.strangers else GpuState.THROTTLED if gpu.throttled else cell.state
    return replace(
        cell,
        state=state,
        name=cell.name or gpu.name,
        uuid=gpu.uuid,
        model=cell.model or gpu.model,
        util=gpu.util,
        memory_mib=gpu.memory_mib,
        memory_total_mib=gpu.memory_total_mib,
        power_w=gpu.power_w,
        temperature_c=gpu.temperature_c,
        throttled=gpu.throttled,
        strangers=tuple(
            Stranger(pid=one.pid, user=one.user, command=one.command, memory_mib=one.memory_mib)
            for one in gpu.strangers
        ),
    )
