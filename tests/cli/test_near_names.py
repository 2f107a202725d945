"""A name that is mistyped is answered with the one that was meant, wherever it is typed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpuq.client_admin import AdminClient
from tests.cli.conftest import Gpuq
from tests.support.daemon import Gpuqd, plain_gpuqd
from tests.support.page_world import a_script

_MEANT = {
    "enqeue train.py": "There is no command 'enqeue'; did you mean enqueue?",
    "admin acount list": "There is no command 'acount'; did you mean account?",
    "plot 1 los": "Job 1 has no tag 'los'; did you mean loss?",
    "plot 1 --smoth 0.5": "There is no option '--smoth'; did you mean --smooth?",
    "histogram 1 sequential/hiden/kernel": "did you mean sequential/hidden/kernel?",
    "admin user add ann --account visoin": "There is no account 'visoin' for user ann: did you mean vision?",
    "queue 'acount=vision'": "A job has no 'acount' to filter by; did you mean account?",
    "queue -o id,nmae": "There is no column 'nmae'; did you mean name?",
    "update 1 nic=3": "There is no field 'nic'; did you mean nice?",
    "admin node drain plain-3 --reason fan": "There is no node 'plain-3': did you mean plain-",
}
_NOTHING_FOUND = (
    "queue -A visoin",
    "queue -A visoin --json",
    "history -A visoin",
    "usage -A visoin",
    "usage -A visoin --json",
)


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        AdminClient(daemon.client.path).add_account("vision")
        daemon.ended(daemon.enqueue(a_script([1.0, 0.5])))
        yield daemon


@pytest.fixture(autouse=True)
def _asks(gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - pytest's
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)


@pytest.mark.parametrize(("line", "meant"), _MEANT.items())
def test_the_name_that_was_meant_is_told(gpuq: Gpuq, line: str, meant: str) -> None:
    found = gpuq(*(word.strip("'") for word in line.split()))

    assert meant in found.err
    assert found.code in (2, 3)


@pytest.mark.parametrize("line", _NOTHING_FOUND)
def test_where_nothing_is_found_of_an_account_that_is_not_there_that_is_said(gpuq: Gpuq, line: str) -> None:
    found = gpuq(*line.split())

    assert found.err == "gpuq: There is no account 'visoin'; did you mean vision?\n"
    assert (found.code, found.out == "") == (0, False)
    assert gpuq(*line.replace("visoin", "vision").split()).err == ""
