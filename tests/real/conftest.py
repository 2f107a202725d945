"""One gpuqd with real Spark, TensorFlowOnSpark and TensorFlow for all tests here: starting one takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Gpuqd, embedded_gpuqd

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def gpuqd() -> Iterator[Gpuqd]:
    """Give a running gpuqd with two nodes of one virtual GPU, which looks every two seconds at what ranks do."""
    with embedded_gpuqd(before="sample_every_s = 2") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def run_gpuq(gpuqd: Gpuqd) -> Run:
    """Give a function that runs `gpuq` as a user does."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("gpuq"), *words],
            env={**os.environ, "GPUQ_SOCKET": gpuqd.client.path, "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
