"""What is adjusted in TensorFlowOnSpark, as far as it works without it; the rest is tried on real clusters."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gpuq_job import spec
from gpuq_job.tfos import ServerNode, roles

RUN = spec.Run(
    job_id=1,
    attempt=1,
    workers=1,
    gpus_per_worker=1,
    script="train.py",
    args=("train.py",),
    folder="/f",
    checkpoints="/c",
    host="127.0.0.1",
    key="00",
)


@given(st.integers(1, 9), st.integers(0, 9), st.booleans())
def test_every_rank_has_one_role_and_the_chief_is_the_first(workers: int, ps: int, evaluator: bool) -> None:
    run = replace(RUN, workers=workers, ps=ps, evaluator=evaluator)

    made = roles(run)

    assert [rank for ranks in made.values() for rank in ranks] == list(range(run.ranks))
    assert made["chief"] == [0]
    assert [len(made.get(role, ())) for role in ("worker", "ps", "evaluator")] == [workers - 1, ps, int(evaluator)]


def test_what_executors_are_asked_for_survives_the_file(tmp_path: Path) -> None:
    run = replace(RUN, ps=1, server_executor=spec.Executor(cores=1, memory_mib=512, resources={"on0": 1}))

    spec.write(tmp_path / "spec.json", run)

    assert spec.read(tmp_path / "spec.json") == run


def test_a_server_node_ends_the_child_that_serves_but_not_its_manager() -> None:
    spawn = multiprocessing.get_context("spawn")
    server = spawn.Process(target=time.sleep, args=(600,), daemon=True)
    manager = spawn.Process(target=time.sleep, args=(600,))

    def node(_: object) -> None:
        server.start()
        manager.start()

    ServerNode(node)([3])

    assert server.exitcode is not None
    assert manager.is_alive()
    manager.kill()
    manager.join()
