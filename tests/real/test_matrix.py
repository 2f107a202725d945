"""Every way to train on every engine, each as a job of gpuqd, with the samples as they are.

What `make test` runs of it is named by CELLS; the rest by `make test ARGS='-m matrix'`.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cells import CELLS, ENGINES, MODES, NOT_YET, ON_REQUEST, run_cell
from tests.support.daemon import Gpuqd, embedded_gpuqd, gpuqd_with
from tests.support.standalone import a_standalone_cluster
from tests.support.yarn import a_yarn_cluster

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "engines.md"


@pytest.fixture(scope="module", params=ON_REQUEST)
def engine(request: pytest.FixtureRequest) -> Generator[tuple[str, Gpuqd]]:
    name: str = request.param
    with ExitStack() as stack:
        match name:
            case "embedded":
                gpuqd = embedded_gpuqd()
            case "standalone":
                gpuqd = gpuqd_with(stack.enter_context(a_standalone_cluster(("0",), ("1",))).partition)
            case _:
                gpuqd = gpuqd_with(stack.enter_context(a_yarn_cluster(1, 1)).partition)
        yield name, stack.enter_context(gpuqd)


@pytest.mark.matrix
@pytest.mark.spark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
def test_a_way_to_train_works_on_an_engine(engine: tuple[str, Gpuqd], mode: str) -> None:
    run_cell(engine[1], MODES[mode])


def test_every_cell_is_run_or_says_why_not() -> None:
    assert set(CELLS) == {(mode, engine) for mode in MODES for engine in ENGINES}
    assert all(any(CELLS[mode, engine].startswith("tests/") for engine in ENGINES) for mode in MODES)
    tried = {engine for (_, engine), cell in CELLS.items() if cell.startswith("tests/")}
    assert {engine for engine in ENGINES if any(CELLS[mode, engine] != NOT_YET for mode in MODES)} == tried


def test_what_a_cell_names_is_there() -> None:
    root = _DOCS.parents[1]
    for test in {cell for cell in CELLS.values() if cell.startswith("tests/")}:
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (root / file).read_text(), re.MULTILINE), test


def test_the_table_in_the_documentation_is_this_matrix() -> None:
    def cell(mode: str, engine: str) -> str:
        what = CELLS[mode, engine]
        return "each change" if what.startswith("tests/") else what

    table = [f"| {mode} | {' | '.join(cell(mode, engine) for engine in ENGINES)} |" for mode in MODES]

    assert "\n".join(table) in _DOCS.read_text()
