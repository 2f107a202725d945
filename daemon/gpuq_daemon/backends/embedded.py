"""The embedded engine: a Spark Standalone master and its workers on this machine, on loopback only.

They run in sessions of their own and survive gpuqd, which finds them again by pid and start time. Applications
authenticate with a secret in a file that only this user can read: others on the machine reach the ports as well.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from gpuq.models import Node
from gpuq_daemon import processes
from gpuq_daemon.backends import engine_record, gpus, java, leftovers, master_page, memory, pins, python_probe, submit
from gpuq_daemon.backends.base import Attempt, Command, EngineError
from gpuq_daemon.backends.engine_record import Asked, Record, Worker
from gpuq_daemon.backends.executor_logs import last_words
from gpuq_daemon.backends.notes import Note, Notes, checked
from gpuq_daemon.backends.servers import FOLDERS, MARKER, Servers, is_running, port_on, reap
from gpuq_daemon.backends.submit import Installation
from gpuq_job import spec
from gpuq_job.orders import Order

HOST = "127.0.0.1"
_START_S = 60.0
_STOP_S = 5.0
_RECLAIM_S = 4.0


class EmbeddedEngine:
    """Runs Spark here. `folder` is its own: logs, work folders, and the record of what it started."""

    def __init__(
        self,
        *,
        partition: str,
        folder: Path,
        nodes: int,
        gpus_per_node: int,
        python: Path,
        gpu_mode: gpus.GpuMode = "auto",
        master_port: int | None = None,
        memory_floor_mib: int = memory.FLOOR_MIB,
    ) -> None:
        self._partition = partition
        self._folder = folder
        self._asked = Asked(
            nodes=nodes,
            gpus_per_node=gpus_per_node,
            gpu_mode=gpu_mode,
            master_port=master_port,
            python=str(python),
        )
        self._notes = Notes(folder / "attempts")
        self._gpu_mode: gpus.GpuMode = gpu_mode
        self._memory_floor_mib = memory_floor_mib
        self._installation: Installation | None = None
        self._record: Record | None = None

    @property
    def partition(self) -> str:
        """The partition this engine serves."""
        return self._partition

    def start(self) -> None:
        """Start master and workers, or find those that run from before; replace dead workers.

        Raises:
            EngineError: it cannot run here; nothing is left running.
        """
        installation = self._installed()
        record = engine_record.read(self._record_path)
        try:
            if record is None or record.asked != self._asked or not is_running(record.master):
                self._end(record)
                record = self._start_master(installation)
            self._record = record
            self._start_workers(installation)
            self._await_workers()
        except EngineError:
            self.stop()
            raise

    def stop(self) -> None:
        """End master and workers, and what still runs on them."""
        self._end(self._record or engine_record.read(self._record_path))
        self._record = None

    def health(self) -> str | None:
        """Return which part of the engine is down, or None."""
        record = self._record
        if record is None:
            return "The embedded engine is not started."
        if not is_running(record.master):
            return "The Spark master of the embedded engine has died."
        for worker in record.workers:
            if not is_running(worker.process):
                return f"The Spark worker of node {worker.name} has died."
        page = master_page.fetch(HOST, record.ui_port)
        if page is None:
            return f"The Spark master of the embedded engine does not answer on port {record.ui_port}."
        if page.workers < self._asked.nodes:
            return f"Only {page.workers} of {self._asked.nodes} Spark workers are registered with their master."
        return None

    def nodes(self) -> tuple[Node, ...]:
        """Return one node a worker, also before the engine is started."""
        record = self._record
        kind = gpus.VIRTUAL if record is None else record.slots.kind
        addresses = ((),) * self._asked.nodes if record is None else record.slots.addresses
        return tuple(
            Node(
                name=name,
                partition=self._partition,
                host=HOST,
                gpu_kind=kind,
                gpus=self._asked.gpus_per_node,
                free_gpus=self._asked.gpus_per_node,
                is_up=any(w.name == name and is_running(w.process) for w in record.workers) if record else False,
                gpu_names=tuple(names),
            )
            for name, names in zip(self._names(), addresses, strict=False)
        )

    def command(self, attempt: Attempt) -> Command:
        """Return the spark-submit for this attempt; writes its spec.json."""
        _refuse_others(attempt)
        record, installation = self._record, self._installation
        if record is None or installation is None:
            raise EngineError("The embedded engine is not started.")
        submit.check_scratch(attempt.scratch)
        path = attempt.folder / "spec.json"
        run = submit.run_of(
            attempt,
            host=HOST,
            key=secrets.token_hex(32),
            gpus_per_worker=attempt.gpus_per_worker,
            server_executor=submit.server_executor(attempt, self._pin(tuple(attempt.ps_by_node))),
        )
        spec.write(path, run)
        self._notes.put(attempt.token, Note(logs=attempt.folder / "logs", scratch=attempt.scratch))
        base = submit.base_environment(os.environ, installation, HOST)
        return Command(
            argv=submit.argv(
                attempt,
                installation,
                master=f"spark://{HOST}:{record.master_port}",
                conf={
                    **submit.shared(attempt),
                    **submit.beside_driver(attempt, HOST),
                    **submit.on_standalone(attempt, self._pin(attempt.nodes)),
                },
                properties=self._properties,
                spec=path,
            ),
            env=submit.driver_environment(attempt, base, HOST),
            cwd=attempt.folder,
        )

    def needs(self) -> tuple[Path, ...]:
        """Return what jobs are started with."""
        return () if self._installation is None else self._installation.files

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return what the ranks told: Spark chooses among the nodes that a job was given."""
        return {rank: node for rank, node in told.items() if node in self._names()}

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Send the order's signal to the attempt's driver."""
        return leftovers.signal_marked(checked(attempt_token), driver_pid, order.signal)

    def last_words(self, attempt_token: str, application_id: str | None, known: Collection[str]) -> tuple[str, ...]:
        """Return what executors said last that never became a rank."""
        return tuple(
            line
            for name in self._names()
            if application_id is not None
            for line in last_words(self._folder / "work" / name, (application_id,), known, f" on {name}")
        )

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left of an attempt, wait for Spark to let go of it, remove its temporary folders."""
        token = checked(attempt_token)
        note = self._notes.of(token)
        work = [] if application_id is None else self._work_folders(application_id)
        stands_in = [*work, *([note.scratch] if note else [])]
        logs = None if note is None else note.logs
        alive = leftovers.kill_marked(token, wait_s=_RECLAIM_S, log_folder=logs, work_folders=stands_in)
        record = self._record
        held = 0
        if record is not None and is_running(record.master):
            held = 0 if leftovers.wait_until(lambda: self._has_let_go(record, token), _RECLAIM_S) else 1
        if alive + held == 0:
            self._remove(token, application_id)
        return alive + held

    @property
    def _record_path(self) -> Path:
        return self._folder / "engine.json"

    @property
    def _properties(self) -> Path:
        return self._folder / "secret.conf"

    def _pin(self, nodes: tuple[str, ...]) -> str | None:
        return pins.wanted([self._names().index(name) for name in nodes], self._asked.nodes)

    def _names(self) -> list[str]:
        return [f"embedded-{number}" for number in range(1, self._asked.nodes + 1)]

    def _installed(self) -> Installation:
        found = java.find(os.environ)
        python = Path(self._asked.python)
        home = python_probe.spark_home(python, {"PATH": os.environ.get("PATH", "")})
        self._installation = Installation(java=found, spark_home=home, python=python)
        return self._installation

    def _start_master(self, installation: Installation) -> Record:
        memory.require(self._memory_floor_mib, memory.available_mib())
        self._notes.make()
        for name in FOLDERS:
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        record = Record(
            asked=self._asked,
            marker=secrets.token_hex(16),
            slots=gpus.slots(self._gpu_mode, self._asked.nodes, self._asked.gpus_per_node),
            master_port=port_on(HOST, self._asked.master_port),
            ui_port=port_on(HOST, None),
        )
        settings = f"spark.authenticate true\nspark.authenticate.secret {secrets.token_hex(32)}\n"
        engine_record.write_private(self._properties, settings.encode())
        self._keep(record)
        process = self._servers(installation, record).start_master(record.master_port, record.ui_port)
        record = self._keep(replace(record, master=process))
        if not leftovers.wait_until(
            lambda: not is_running(process) or master_page.fetch(HOST, record.ui_port) is not None, _START_S
        ) or not is_running(process):
            raise EngineError(self._failed("master"))
        return record

    def _start_workers(self, installation: Installation) -> None:
        record = self._record
        assert record is not None
        servers = self._servers(installation, record)
        for number, name in enumerate(self._names()):
            known = [worker for worker in record.workers if worker.name == name]
            if known and is_running(known[0].process):
                continue
            process = servers.start_worker(
                name, record.slots.addresses[number], pins.offered(number, self._asked.nodes), record.master_port
            )
            others = tuple(worker for worker in record.workers if worker.name != name)
            record = self._keep(replace(record, workers=(*others, Worker(name=name, process=process))))

    def _servers(self, installation: Installation, record: Record) -> Servers:
        return Servers(
            installation=installation,
            folder=self._folder,
            properties=self._properties,
            marker=record.marker,
            host=HOST,
        )

    def _await_workers(self) -> None:
        record = self._record
        assert record is not None

        def is_decided() -> bool:
            if not all(is_running(worker.process) for worker in record.workers):
                return True
            page = master_page.fetch(HOST, record.ui_port)
            return page is not None and page.workers >= len(record.workers)

        is_in_time = leftovers.wait_until(is_decided, _START_S)
        for worker in record.workers:
            if not is_in_time or not is_running(worker.process):
                raise EngineError(self._failed(worker.name))

    def _failed(self, name: str) -> str:
        part = "master" if name == "master" else f"worker of node {name}"
        return (
            f"The Spark {part} did not come up within {_START_S:g} s: see {self._folder / 'logs' / name}.log and .out."
        )

    def _keep(self, record: Record) -> Record:
        self._record = record
        engine_record.write(self._record_path, record)
        return record

    def _end(self, record: Record | None) -> None:
        if record is None:
            return
        started = [worker.process for worker in record.workers]
        for process in [*started, *([record.master] if record.master else [])]:
            processes.send_signal(process, signal.SIGTERM)
            reap(process.pid)

        def are_gone() -> bool:
            return not any(is_running(process) for process in [*started, record.master])

        leftovers.wait_until(are_gone, _STOP_S)
        leftovers.kill_marked(record.marker, marker=MARKER, wait_s=_STOP_S)
        are_gone()
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)
        self._record_path.unlink(missing_ok=True)

    def _has_let_go(self, record: Record, token: str) -> bool:
        page = master_page.fetch(HOST, record.ui_port)
        return page is not None and not any(name.endswith(f"-{token}") for name in page.applications.values())

    def _remove(self, token: str, application_id: str | None) -> None:
        note = self._notes.of(token)
        if note is not None:
            shutil.rmtree(note.scratch, ignore_errors=True)
        self._notes.drop(token)
        if application_id is not None:
            for folder in self._work_folders(application_id):
                shutil.rmtree(folder, ignore_errors=True)

    def _work_folders(self, application_id: str) -> list[Path]:
        """Return where Spark's executors of an application stand, a folder below each worker's."""
        if not re.fullmatch(r"app-[0-9]+-[0-9]+", application_id):
            return []
        return [self._folder / "work" / name / application_id for name in self._names()]


def _refuse_others(attempt: Attempt) -> None:
    if attempt.owner is not None and attempt.owner.uid != os.geteuid():
        raise EngineError('One Spark for all cannot run jobs as their owners: set spark = "per-job" in its partition.')
