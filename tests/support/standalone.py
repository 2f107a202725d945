"""A Spark Standalone cluster as an operator sets it up: a master, and workers with GPUs by a discovery script."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from gpuq_daemon.backends import java, master_page
from tests.support.daemon import short_folder, until

HOST = "127.0.0.1"
_SCRIPT = """#!/bin/sh
echo '{"name": "gpu", "addresses": [%s]}'
"""


class StandaloneCluster:
    """A running master and its workers; `partition` are the lines for gpuqd.toml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.ui_port = _free_port(), _free_port()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.master = self._launch(
            "master", "master.Master", "--port", f"{self.port}", "--webui-port", f"{self.ui_port}"
        )

    @property
    def url(self) -> str:
        """Return the master as Spark names it."""
        return f"spark://{HOST}:{self.port}"

    @property
    def page(self) -> str:
        """Return the address of the master's page."""
        return f"http://{HOST}:{self.ui_port}"

    @property
    def partition(self) -> str:
        """Return what gpuqd is told of it."""
        return f'engine = "standalone"\nmaster = "{self.url}"\nui = "{self.page}"\n'

    def add_worker(self, *gpus: str, **resources: int) -> subprocess.Popen[bytes]:
        """Start a worker that has these GPUs, and so many of other resources."""
        name = f"worker-{len(self.workers)}"
        options = [
            *self._offer(name, "gpu", gpus),
            *(
                word
                for resource, count in resources.items()
                for word in self._offer(name, resource, tuple(map(str, range(count))))
            ),
        ]
        work = self.folder / name
        words = ["--port", "0", "--webui-port", "0", "--cores", "16", "--memory", "16g", "--work-dir", str(work)]
        started = self._launch(name, "worker.Worker", *words, self.url, options=options)
        self.workers.append(started)
        return started

    def await_workers(self) -> None:
        """Return when the master knows all workers."""

        def are_known() -> bool:
            page = master_page.fetch_from(self.page)
            return page is not None and page.workers == len(self.workers)

        until(are_known, timeout_s=120, what="the workers", log=self.folder / "master.log")

    def end(self) -> None:
        """End all of it."""
        for process in (*self.workers, self.master):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def _offer(self, worker: str, resource: str, addresses: tuple[str, ...]) -> list[str]:
        script = self.folder / f"{worker}-{resource}.sh"
        script.write_text(_SCRIPT.replace("gpu", resource) % ", ".join(f'"{address}"' for address in addresses))
        script.chmod(0o755)
        setting = f"-Dspark.worker.resource.{resource}"
        return [f"{setting}.amount={len(addresses)}", f"{setting}.discoveryScript={script}"]

    def _launch(self, name: str, main: str, *words: str, options: list[str] | None = None) -> subprocess.Popen[bytes]:
        home = spark_home()
        (self.folder / "tmp").mkdir(exist_ok=True)
        start = java.words(
            java.find(os.environ), home / "jars", 384, f"-Djava.io.tmpdir={self.folder / 'tmp'}", *(options or [])
        )
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ},
            "SPARK_HOME": str(home),
            "SPARK_SCALA_VERSION": "2.13",
            "SPARK_LOCAL_IP": HOST,
            "SPARK_LOCAL_DIRS": str(self.folder / "tmp"),
        }
        log: IO[Any]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*start, f"org.apache.spark.deploy.{main}", "--host", HOST, *words],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextlib.contextmanager
def a_standalone_cluster(*workers: tuple[str, ...]) -> Generator[StandaloneCluster]:
    """Give a running cluster with a worker for each of these sets of GPUs."""
    with short_folder() as folder:
        cluster = StandaloneCluster(folder)
        try:
            for gpus in workers:
                cluster.add_worker(*gpus)
            cluster.await_workers()
            yield cluster
        finally:
            cluster.end()
            shutil.rmtree(folder / "tmp", ignore_errors=True)


def spark_home() -> Path:
    """Return the folder of this Python's pyspark."""
    found = importlib.util.find_spec("pyspark")
    assert found is not None
    assert found.origin is not None, sys.executable
    return Path(found.origin).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
