"""Starts Spark's master and workers: one process each, in a session of its own, bound to one address."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from gpuq_daemon import processes
from gpuq_daemon.backends import java, pins, submit
from gpuq_daemon.backends.base import EngineError
from gpuq_daemon.backends.submit import Installation
from gpuq_daemon.processes import ProcessId

MARKER = "GPUQ_ENGINE"
FOLDERS = ("logs", "work", "tmp")
_HEAP_MIB = 384
_CORES = 64  # places for executors; GPUs are what limits them


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What all servers of one engine share.

    `folder` holds `FOLDERS`; `properties` the settings that no list of processes may show; `marker` is in the
    environment of each server, and of all that descends from it, as `GPUQ_ENGINE`.
    """

    installation: Installation
    folder: Path
    properties: Path
    marker: str
    host: str

    def start_master(self, port: int, ui_port: int) -> ProcessId:
        """Start the master; whether it comes up shows on its page at `ui_port`.

        Without its REST server: that has a fixed port (6066), so that a second master here would be of no use, and
        it takes submissions from anyone on this machine.
        """
        return self._launch(
            "master",
            ("-Dspark.port.maxRetries=0", "-Dspark.ui.killEnabled=false", "-Dspark.master.rest.enabled=false"),
            ("org.apache.spark.deploy.master.Master", "--port", str(port), "--webui-port", str(ui_port)),
        )

    def start_worker(
        self, name: str, addresses: tuple[str, ...], offered: tuple[str, ...], master_port: int
    ) -> ProcessId:
        """Start the worker that is a node with these GPUs; it registers with the master by itself.

        `offered` are the resources that stand for sets of nodes, see `pins`.
        """
        work = self.folder / "work" / name
        work.mkdir(mode=0o700, exist_ok=True)
        return self._launch(
            name,
            (f"-Dspark.local.dir={self.folder / 'tmp'}", *self._resources(name, addresses, offered)),
            (
                *("org.apache.spark.deploy.worker.Worker", "--port", "0", "--webui-port", "0"),
                *("--cores", str(_CORES), "--memory", f"{_CORES * submit.EXECUTOR_HEAP_MIB}m"),
                *("--work-dir", str(work), f"spark://{self.host}:{master_port}"),
            ),
            GPUQ_NODE=name,
        )

    def _resources(self, name: str, addresses: tuple[str, ...], offered: tuple[str, ...]) -> tuple[str, ...]:
        """Write the file that tells a worker what it has, and return the options that name it."""
        places = tuple(str(place) for place in range(pins.PLACES))
        has = {**({"gpu": addresses} if addresses else {}), **dict.fromkeys(offered, places)}
        if not has:
            return ()
        path = self.folder / "work" / f"{name}.resources.json"
        told = [
            {"id": {"componentName": "spark.worker", "resourceName": resource}, "addresses": its}
            for resource, its in has.items()
        ]
        path.write_text(json.dumps(told))
        amounts = (f"-Dspark.worker.resource.{resource}.amount={len(its)}" for resource, its in has.items())
        return (*amounts, f"-Dspark.worker.resourcesFile={path}")

    def _command(self, name: str, options: tuple[str, ...], words: tuple[str, ...]) -> tuple[str, ...]:
        settings = Path(__file__).with_name("log4j2-engine.properties")
        common = (
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={settings}",
            f"-Dgpuq.log={self.folder / 'logs' / name}.log",
        )
        start = java.words(self.installation.java, self.installation.jars, _HEAP_MIB, *common, *options)
        main, *rest = words
        return (*start, main, "--host", self.host, "--properties-file", str(self.properties), *rest)

    def _launch(self, name: str, options: tuple[str, ...], words: tuple[str, ...], **environment: str) -> ProcessId:
        command = self._command(name, options, words)
        base = submit.base_environment(os.environ, self.installation, self.host)
        output = str(self.folder / "logs" / f"{name}.out")
        pid = os.posix_spawn(  # unlike Popen, it does not mind that nobody waits for the process
            command[0],
            command,
            {**base, MARKER: self.marker, **environment},
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE),
        )
        process = processes.identify(pid)
        if process is None:
            raise EngineError(f"The Spark server {name} ended as it was started: see {output}.")
        return process


def port_on(host: str, wanted: int | None) -> int:
    """Return the port wanted, or one that nobody has now.

    Raises:
        EngineError: somebody has it.
    """
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted or 0))
        except OSError as error:
            raise EngineError(
                f"Port {wanted} on {host} is taken: end what uses it, or configure another one."
            ) from error
        return int(probe.getsockname()[1])


def is_running(process: ProcessId | None) -> bool:
    """Whether a server still runs, whoever started it."""
    if process is None:
        return False
    reap(process.pid)
    return processes.is_alive(process)


def reap(pid: int) -> None:
    """Take in the end of a child; it is one only for the gpuqd that started it."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
