"""A Spark Standalone cluster that somebody else runs: its master decides where executors go, gpuqd when.

Nodes, GPUs and health are what the master's page says. A driver runs here, under its shim; its executors run on the
workers as whoever runs those, and end with their application. That they have ended is told by the workers' own pages:
the master forgets an executor when it asks for its end.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from gpuq.models import Node
from gpuq_daemon.backends import java, leftovers, master_page, pins, python_probe, submit
from gpuq_daemon.backends.base import Attempt, Command, EngineError, Spare
from gpuq_daemon.backends.master_page import MasterPage, WorkerLine
from gpuq_daemon.backends.notes import Note, Notes
from gpuq_daemon.backends.submit import Installation
from gpuq_daemon.partitions import StandalonePartition
from gpuq_job import spec
from gpuq_job.orders import Order

_UI_PORT = 8080
_GPU = "gpu"


class StandaloneEngine:
    """Runs attempts on an existing master. `folder` is its own and holds a note of every attempt.

    `reclaim_s` is how long one look at what is left of an attempt may wait for its end.
    """

    def __init__(
        self,
        *,
        partition: str,
        folder: Path,
        wanted: StandalonePartition,
        python: Path,
        reclaim_s: float = 4.0,
    ) -> None:
        self._partition = partition
        self._wanted = wanted
        self._python = python
        self._reclaim_s = reclaim_s
        self._notes = Notes(folder / "attempts")
        self._pages = pages(wanted)
        self._installation: Installation | None = None
        self._page: MasterPage | None = None
        self._known: dict[str, Node] = {}
        self._shared: set[str] = set()  # once shared, always: the node that is left must not change its name

    @property
    def partition(self) -> str:
        """The partition this engine serves."""
        return self._partition

    def start(self) -> None:
        """Look for what drivers need here; whether the master is there is told by `health`.

        Raises:
            EngineError: drivers cannot run here.
        """
        found = java.find(os.environ)
        home = python_probe.spark_home(
            self._python, {"PATH": os.environ.get("PATH", ""), **submit.libraries(os.environ)}
        )
        self._notes.make()
        self._installation = Installation(java=found, spark_home=home, python=self._python)
        self._look()

    def stop(self) -> None:
        """Do nothing: the cluster is somebody else's."""

    def health(self) -> str | None:
        """Look at the master's page; return what is wrong with the cluster, or None."""
        if self._installation is None:
            return "The engine is not started."
        page = self._look()
        if page is None:
            return f"No active Spark master answers at {', '.join(self._pages)}."
        if page.workers == 0:
            return f"The Spark master at {self._wanted.master} has no living worker."
        return None

    def nodes(self) -> tuple[Node, ...]:
        """Return one node a worker as of the last look; one that is lost is down until the master forgets it."""
        return tuple(self._known.values())

    def spare(self) -> Spare:
        """Return what there was of GPUs at the last look."""
        if self._page is None:
            return Spare(gpus=0, is_waited_for=False)
        alive = [line for line in self._page.lines if line.is_alive]
        return Spare(
            gpus=sum(len(line.resources.get(_GPU, ())) - len(line.used.get(_GPU, ())) for line in alive),
            is_waited_for=not all(name.startswith(submit.STANDBYS) for name in self._page.waiting),
        )

    def needs(self) -> tuple[Path, ...]:
        """Return what jobs are started with."""
        return () if self._installation is None else self._installation.files

    def command(self, attempt: Attempt) -> Command:
        """Return the spark-submit for this attempt; writes its spec.json and its note."""
        installation, page = self._installation, self._page
        if installation is None or page is None:
            raise EngineError(f"No active Spark master answers at {', '.join(self._pages)}.")
        if attempt.owner is not None and attempt.owner.uid != os.geteuid():
            raise EngineError(
                "Spark Standalone runs everybody's executors as the user of its workers, so a job cannot run as its "
                "owner: have gpuqd run as that user, with run_as_gpuqd in [owners]."
            )
        submit.check_scratch(attempt.scratch)
        host = self._wanted.host or address_towards(self._wanted.master)
        pin = self._pin(page, attempt.nodes)
        run = submit.run_of(
            attempt,
            host=host,
            key=secrets.token_hex(32),
            gpus_per_worker=attempt.gpus_per_worker,
            server_executor=submit.server_executor(attempt, self._pin(page, tuple(attempt.ps_by_node))),
        )
        path = attempt.folder / "spec.json"
        spec.write(path, run)
        self._notes.put(attempt.token, Note(logs=attempt.folder / "logs", scratch=attempt.scratch))
        return Command(
            argv=submit.argv(
                attempt,
                installation,
                master=self._wanted.master,
                conf={
                    **submit.shared(attempt),
                    **submit.towards_driver(attempt, host),
                    **submit.on_standalone(attempt, pin),
                },
                properties=None if self._wanted.properties is None else Path(self._wanted.properties),
                spec=path,
            ),
            env=submit.driver_environment(attempt, submit.base_environment(os.environ, installation, host), host),
            cwd=attempt.folder,
        )

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return the node of each rank that tells a worker which the master knows: "host:port"."""
        names = {} if self._page is None else names_of(self._page.lines, self._shared)
        return {rank: names[where] for rank, where in told.items() if where in names}

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Send the order's signal to the attempt's driver, which is on this host."""
        return leftovers.signal_marked(attempt_token, driver_pid, order.signal)

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left of an attempt on this host, and wait until the cluster says that the rest is gone."""
        note = self._notes.of(attempt_token)
        if note is None:
            return 0
        alive = leftovers.kill_marked(
            attempt_token, wait_s=self._reclaim_s, log_folder=note.logs, work_folders=[note.scratch]
        )
        held = 0 if leftovers.wait_until(lambda: self._is_free_of(attempt_token), self._reclaim_s) else 1
        if alive + held == 0:
            shutil.rmtree(note.scratch, ignore_errors=True)
            self._notes.drop(attempt_token)
        return alive + held

    def _look(self) -> MasterPage | None:
        """Ask the masters; take in the nodes of the active one. Without one every node is down."""
        self._page = self._active_page()
        if self._page is None:
            self._known = {name: replace(node, is_up=False) for name, node in self._known.items()}
        else:
            self._shared |= shared_hosts(self._page.lines)
            others = _held_by_others(self._page, asks_workers=self._wanted.worker_pages)
            self._known = {node.name: node for node in self._nodes_of(self._page, others)}
        return self._page

    def _active_page(self) -> MasterPage | None:
        found = (master_page.fetch_from(page) for page in self._pages)
        return next((page for page in found if page is not None and page.is_active), None)

    def _nodes_of(self, page: MasterPage, held_by_others: Mapping[str, int]) -> list[Node]:
        names = names_of(page.lines, self._shared)
        nodes: dict[str, Node] = {}
        for line in sorted(page.lines, key=lambda line: line.is_alive):  # a worker that came back replaces the lost one
            name = names[f"{line.host}:{line.port}"]
            gpus = max(0, len(line.resources.get(_GPU, ())) - held_by_others.get(line.page, 0))
            nodes[name] = Node(
                name=name,
                partition=self._partition,
                host=line.host,
                gpu_kind=self._wanted.gpu_type or "GPU",
                gpus=gpus,
                free_gpus=gpus,
                is_up=line.is_alive,
                gpu_type=self._wanted.gpu_types.get(name) or self._wanted.gpu_types.get(line.host),
            )
        return [nodes[name] for name in sorted(nodes)]

    def _pin(self, page: MasterPage, given: tuple[str, ...]) -> str | None:
        """Return the resource that keeps executors on these nodes, None where any node will do.

        Raises:
            EngineError: other nodes have other GPUs, and nothing keeps the executors off them.
        """
        if not given:
            return None
        names = names_of(page.lines, self._shared)
        offered = {names[f"{line.host}:{line.port}"]: set(line.resources) - {_GPU} for line in page.lines}
        models = {node.gpu_type for name, node in self._known.items() if name in given}
        alike = {name for name, node in self._known.items() if node.gpu_type in models}
        found = pins.confining(given, offered, alike)
        if found is None and len(alike) < len(self._known):
            raise EngineError(
                "The master's workers have GPUs of several models, and nothing keeps executors off the others: have "
                "all workers of a model offer a resource of their own (spark.worker.resource.NAME.amount)."
            )
        return found

    def _is_free_of(self, token: str) -> bool:
        """Whether the master has no such application, and no worker an executor of it that has not ended."""
        page = self._active_page()
        if page is None or any(_is_of(name, token) for name in page.applications.values()):
            return False
        if not self._wanted.worker_pages:
            return True
        for line in page.lines:
            if line.is_alive:
                running = master_page.executors_of(line.page)
                if running is None or any(_is_of(one.application, token) for one in running):
                    return False
        return True


def pages(wanted: StandalonePartition) -> tuple[str, ...]:
    """Return where the masters have their pages: as configured, else on the usual port of their hosts."""
    if wanted.ui is not None:
        return tuple(page.strip().rstrip("/") for page in wanted.ui.split(","))
    return tuple(f"http://{host}:{_UI_PORT}" for host, _ in masters(wanted.master))


def masters(url: str) -> tuple[tuple[str, int], ...]:
    """Return host and port of each master that `spark://a:7077,b:7077` names."""
    found = [urlsplit(f"spark://{word}") for word in url.removeprefix("spark://").split(",")]
    return tuple((one.hostname or "", one.port or 7077) for one in found)


def address_towards(url: str) -> str:
    """Return the address of this host that a master's workers will reach: that of the way to the master.

    Raises:
        EngineError: there is no way to it.
    """
    error: OSError | None = None
    for host, port in masters(url):
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.connect(where)  # of datagrams: nothing is sent
                return str(probe.getsockname()[0])
        except OSError as caught:
            error = caught
    raise EngineError(f"There is no way to the Spark master {url} ({error}): correct `master`, or set `host`.")


def names_of(lines: Collection[WorkerLine], shared: Collection[str]) -> dict[str, str]:
    """Return the node's name of each worker, by "host:port": its host, with its port on hosts that several share."""
    return {
        f"{line.host}:{line.port}": f"{line.host}-{line.port}" if line.host in shared else line.host for line in lines
    }


def shared_hosts(lines: Collection[WorkerLine]) -> set[str]:
    """Return the hosts on which several workers are alive."""
    alive = Counter(line.host for line in lines if line.is_alive)
    return {host for host, count in alive.items() if count > 1}


def _held_by_others(page: MasterPage, *, asks_workers: bool) -> dict[str, int]:
    """Return how many GPUs of each worker, by its page, are held by applications that are not gpuqd's."""
    if all(name.startswith(submit.NAMES) for name in page.applications.values()) or not asks_workers:
        return {}
    busy = [line.page for line in page.lines if line.is_alive and line.used.get(_GPU)]
    running = {worker: master_page.executors_of(worker) or () for worker in busy}
    return {
        worker: sum(len(one.gpus) for one in its if not one.application.startswith(submit.NAMES))
        for worker, its in running.items()
    }


def _is_of(application: str, token: str) -> bool:
    return application.endswith(f"-{token}")
