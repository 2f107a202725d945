"""gpuqd may be started in any folder, one that others write to among them: no code of theirs is run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gpuq_daemon import background, check
from gpuq_daemon.backends.python_probe import spark_home
from gpuq_daemon.config import load


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that is there once code of the folder in which we are has run."""
    marker, folder = tmp_path / "marker", tmp_path / "theirs"
    folder.mkdir()
    for name in ("http", "json", "gpuq_daemon", "importlib"):
        (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    monkeypatch.chdir(folder)
    return marker


def test_the_daemon_imports_nothing_of_the_folder_it_is_started_in(tmp_path: Path, marker: Path) -> None:
    config = tmp_path / "gpuqd.toml"
    # More memory than any machine has: it ends before it serves, but not before it has imported everything.
    config.write_text(
        f'state_dir = "{tmp_path}/state"\n[partition.p]\nengine = "embedded"\nmemory_floor_mib = 1000000000\n'
    )

    with pytest.raises(background.StartError, match=r"(?i)memory|MiB"):
        background.start(load(config), config)

    assert not marker.exists()


def test_the_pythons_of_jobs_are_asked_without_that_folder(marker: Path) -> None:
    environment = dict(os.environ)

    check.check_packages(sys.executable, environment)
    spark_home(Path(sys.executable), environment)

    assert not marker.exists()
