"""Every way to train on every engine, each as a job of gpuqd, with the samples as they are.

What `make test` runs of it is named by TESTS; all of it by `make test ARGS='-m matrix'`.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cells import ENGINES, MODES, RAN_S, TESTS, run_cell, told
from tests.support.daemon import Gpuqd, embedded_gpuqd, gpuqd_with
from tests.support.kube_engine import a_kubernetes_gpuqd
from tests.support.standalone import a_standalone_cluster
from tests.support.yarn import a_yarn_cluster

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "engines.md"


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Generator[tuple[str, Gpuqd]]:
    name: str = request.param
    with ExitStack() as stack:
        match name:
            case "embedded":
                gpuqd = embedded_gpuqd()
            case "standalone":
                gpuqd = gpuqd_with(stack.enter_context(a_standalone_cluster(("0",), ("1",))).partition)
            case "yarn":
                gpuqd = gpuqd_with(stack.enter_context(a_yarn_cluster(1, 1)).partition)
            case _:
                gpuqd = a_kubernetes_gpuqd("matrix-a", "matrix-b")
        yield name, stack.enter_context(gpuqd)


@pytest.mark.matrix
@pytest.mark.spark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
def test_a_way_to_train_works_on_an_engine(engine: tuple[str, Gpuqd], mode: str) -> None:
    run_cell(engine[1], MODES[mode])


def test_every_way_to_train_and_every_engine_is_in_the_tests_of_each_change() -> None:
    assert {mode for mode, _ in TESTS} == set(MODES) == set(RAN_S)
    assert {engine for _, engine in TESTS} == set(ENGINES)


def test_what_a_cell_names_is_there() -> None:
    root = _DOCS.parents[1]
    for test in TESTS.values():
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (root / file).read_text(), re.MULTILINE), test


def test_the_table_in_the_documentation_is_this_matrix() -> None:
    table = [f"| {mode} | {' | '.join(told(mode, engine) for engine in ENGINES)} |" for mode in MODES]

    assert "\n".join(table) in _DOCS.read_text()
