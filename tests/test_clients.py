"""The samples for other languages read what was written, with what those languages bring along."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventfile.event_bytes import a_file, a_scalar
from tests.support.daemon import Gpuqd, plain_gpuqd

_CLIENTS = Path(__file__).parents[1] / "sample_jobs" / "clients"
_TAG = "a b&c/lö"
_VALUES = [(0, 2.5), (10, 1.25), (20, 0.5)]
_WRITES = """
import os
def main_fun(args, ctx):
    with open(os.path.join(os.environ["GPUQ_LOG_DIR"], "events.out.tfevents.1"), "wb") as file:
        file.write({data!r})
"""


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    """A gpuqd with job 1, which wrote three points."""
    with plain_gpuqd() as daemon:
        data = a_file(*(a_scalar(_TAG, step, value) for step, value in _VALUES))
        daemon.ended(daemon.enqueue(_WRITES.format(data=data)))
        yield daemon


@pytest.mark.parametrize(
    ("needs", "command"),
    [
        ("curl", ["sh", str(_CLIENTS / "series.sh")]),
        ("node", ["node", str(_CLIENTS / "series.mjs")]),
        ("java", ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", str(_CLIENTS / "Series.java")]),
    ],
)
def test_a_client_of_another_language_reads_a_series(gpuqd: Gpuqd, needs: str, command: list[str]) -> None:
    if shutil.which(needs) is None:
        pytest.skip(f"{needs} is not installed")
    env = {**os.environ, "GPUQ_SOCKET": gpuqd.client.path, "LC_ALL": "C.UTF-8"}

    done = subprocess.run([*command, "1", _TAG], capture_output=True, text=True, env=env, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert [tuple(map(float, line.split())) for line in done.stdout.splitlines()] == _VALUES
    assert len((Path(command[-1])).read_text().splitlines()) <= 30
