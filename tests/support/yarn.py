"""A real YARN of a test's own: a ResourceManager and NodeManagers in one JVM on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

from gpuq_daemon.backends import java
from gpuq_daemon.backends.yarn import settings_in, web_addresses
from tests.support.hadoop import class_path

_DISCOVERY = """#!/bin/sh
echo '{"name": "gpu", "addresses": ["0"]}'
"""


class YarnCluster:
    """A running YARN; `partition` are the lines for gpuqd.toml."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self._process = process
        self._expect("ready")
        (self.page,) = web_addresses(settings_in(folder / "conf"))

    @property
    def partition(self) -> str:
        """Return what gpuqd is told of it."""
        discovery, staging = self.folder / "gpus.sh", self.folder / "staging"
        discovery.write_text(_DISCOVERY)
        discovery.chmod(0o755)
        staging.mkdir(exist_ok=True)
        return (
            f'engine = "yarn"\nconf_dir = "{self.folder}/conf"\nqueue = "training"\nmemory_mib = 2048\n'
            f'discovery_script = "{discovery}"\nstaging_dir = "file://{staging}"\n'
        )

    def do(self, command: str) -> None:
        """Carry out a command of `tests/hadoop/src/Yarn.java`: stop-node NUMBER."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self._expect("done")

    def end(self) -> None:
        """End it, and with it what runs on it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _expect(self, answer: str) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said == answer, f"{said}\n{(self.folder / 'yarn.log').read_text(errors='replace')[-4000:]}"


@contextlib.contextmanager
def a_yarn_cluster(*gpus: int | None, checks_memory: bool = False) -> Generator[YarnCluster]:
    """Give a YARN with a node for each of these numbers of GPUs; None: it knows of none.

    `checks_memory`: it ends containers that use more than they were given.
    """
    folder = Path(tempfile.mkdtemp(prefix="gy", dir="/tmp"))
    words = ["none" if count is None else str(count) for count in gpus]
    found = java.find(os.environ)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("HADOOP_")}
    start = [
        str(found),
        "-Xmx512m",
        "-XX:+UseSerialGC",
        f"-Dchecks-memory={str(checks_memory).lower()}",
        "-cp",
        class_path(),
        "Yarn",
        str(folder),
        *words,
    ]
    try:
        with (
            (folder / "yarn.log").open("w") as log,
            subprocess.Popen(
                start,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**outside, "JAVA_HOME": str(found.parent.parent)},
            ) as process,
        ):
            cluster = YarnCluster(folder, process)
            try:
                yield cluster
            finally:
                cluster.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
