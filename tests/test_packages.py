"""What comes along with the client, as the distributions themselves say: nothing that a login node has no use for."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from tests.support.documents import ROOT


def closure(extra: str | None) -> set[str]:
    """Return the names of all distributions that come with the client, or with one of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]
    found: set[str] = set()
    while wanted:
        one = Requirement(wanted.pop())
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        if name in found or name == "gpuq-cluster":
            continue
        found.add(name)
        for line in requires(name) or ():
            needed = Requirement(line)
            extras = one.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": each}) for each in extras):
                wanted.append(line)
    return found


@pytest.mark.parametrize(("extra", "most"), [(None, 2), ("tui", 12)])
def test_the_client_brings_few_packages_and_nothing_heavy(extra: str | None, most: int) -> None:
    found = closure(extra)

    assert {"click", "plotext"} <= found
    assert len(found) <= most, found
    assert not found & {"numpy", "tensorflow", "pyspark", "pyarrow", "msgspec", "litestar", "sqlite-utils"}
