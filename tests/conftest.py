"""What all tests share: none of them depends on how quick the machine is."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.hadoop import Hadoop, running_hdfs

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)  # before the groups are looked at
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what starts real clusters together: where tests run side by side, one process does these, one at a time."""
    for item in items:
        if item.get_closest_marker("spark") or item.get_closest_marker("hadoop"):
            item.add_marker(pytest.mark.xdist_group("real"))


@pytest.fixture(scope="session")
def hdfs() -> Generator[Hadoop]:
    """A real HDFS with one NameNode and one DataNode, which whoever hurts it leaves well again."""
    with running_hdfs() as hadoop:
        yield hadoop
