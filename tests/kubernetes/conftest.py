"""One real Kubernetes API for all tests here: it starts in seconds."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.engine import short_folder
from tests.support.kube_server import KubeServer, a_kube_server

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[KubeServer]:
    """Give a Kubernetes API without nodes."""
    with short_folder() as folder, a_kube_server(folder) as started:
        yield started


@pytest.fixture
def folder() -> Generator[Path]:
    """Give a folder with a short path."""
    with short_folder() as path:
        yield path


@pytest.fixture
def names() -> tuple[str, str]:
    """Return the names of two nodes that no other test has."""
    number = next(NUMBERS)
    return f"node-{number}a", f"node-{number}b"
