"""The embedded engine of a gpuqd that is root: a Spark of its own for each attempt, run as the job's owner.

A Standalone worker starts executors as the user that it runs as itself, so a cluster for everybody could not keep them
apart. Here master, workers and driver are one JVM (`local-cluster`), the executors its children, and all of them
descend from the attempt's shim: nothing stands by for a user who has no job, and nothing has to be given back. GPUs
are chosen by gpuqd, which notes them until it is proven that nothing of the attempt is left.

Source: Spark's LocalSparkCluster and JWSFilter.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from gpuq.models import Node
from gpuq_daemon.backends import gpus, java, leftovers, memory, python_probe, submit
from gpuq_daemon.backends.base import Attempt, Command, EngineError
from gpuq_daemon.backends.engine_record import write_private
from gpuq_daemon.backends.executor_logs import last_words
from gpuq_daemon.backends.seats import Seat, seated
from gpuq_daemon.backends.submit import Installation
from gpuq_job import spec
from gpuq_job.orders import Order

HOST = "127.0.0.1"
_RECLAIM_S = 4.0


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an attempt while anything of it may be left."""

    uid: int
    folder: str
    scratch: str
    seats: tuple[Seat, ...]


class PrivateEngine:
    """Runs each attempt in a Spark of its own. `folder` is gpuqd's alone and holds a note of every attempt."""

    def __init__(
        self,
        *,
        partition: str,
        folder: Path,
        nodes: int,
        gpus_per_node: int,
        python: Path,
        gpu_mode: gpus.GpuMode = "auto",
        memory_floor_mib: int = memory.FLOOR_MIB,
    ) -> None:
        self._partition = partition
        self._notes = folder / "seats"
        self._names = tuple(f"embedded-{number}" for number in range(1, nodes + 1))
        self._gpus_per_node = gpus_per_node
        self._python = python
        self._gpu_mode: gpus.GpuMode = gpu_mode
        self._memory_floor_mib = memory_floor_mib
        self._installation: Installation | None = None
        self._slots: gpus.Slots | None = None

    @property
    def partition(self) -> str:
        """The partition this engine serves."""
        return self._partition

    def start(self) -> None:
        """Look for what attempts need; nothing is started before there is one.

        Raises:
            EngineError: jobs cannot run here.
        """
        found = java.find(os.environ)
        home = python_probe.spark_home(
            self._python, {"PATH": os.environ.get("PATH", ""), **submit.libraries(os.environ)}
        )
        if self._slots is None:
            memory.require(self._memory_floor_mib, memory.available_mib())
            self._slots = gpus.slots(self._gpu_mode, len(self._names), self._gpus_per_node)
        self._notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._installation = Installation(java=found, spark_home=home, python=self._python)

    def stop(self) -> None:
        """Do nothing: nothing stands by."""

    def health(self) -> str | None:
        """Return what is wrong, if the engine is not started."""
        return None if self._installation is not None else "The embedded engine is not started."

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes, which are shares of this machine."""
        kind = gpus.VIRTUAL if self._slots is None else self._slots.kind
        addresses = ((),) * len(self._names) if self._slots is None else self._slots.addresses
        return tuple(
            Node(
                name=name,
                partition=self._partition,
                host=HOST,
                gpu_kind=kind,
                gpus=self._gpus_per_node,
                free_gpus=self._gpus_per_node,
                is_up=self._installation is not None,
                gpu_names=names,
            )
            for name, names in zip(self._names, addresses, strict=True)
        )

    def needs(self) -> tuple[Path, ...]:
        """Return what jobs are started with."""
        return () if self._installation is None else self._installation.files

    def command(self, attempt: Attempt) -> Command:
        """Return the spark-submit for this attempt; writes its spec.json, its settings and its note."""
        installation = self._installation
        if installation is None:
            raise EngineError("The embedded engine is not started.")
        submit.check_scratch(attempt.scratch)
        seats = self._seats(attempt)
        path = attempt.folder / "spec.json"
        run = submit.run_of(
            attempt,
            host=HOST,
            key=secrets.token_hex(32),
            gpus_per_worker=0,
            server_executor=submit.server_executor(attempt),
            seats=tuple((seat.node, seat.gpus) for seat in seats),
        )
        spec.write(path, run)
        properties = attempt.scratch / "secret.conf"
        write_private(properties, _settings().encode())
        own = _own_home(attempt.scratch, installation)
        env = {
            **submit.base_environment(os.environ, installation, HOST),
            "SPARK_HOME": str(own),  # Spark's workers work below it, whatever they are told
            **({} if attempt.owner is None else attempt.owner.words),
        }
        uncounted = replace(attempt, gpus_per_worker=0)  # Spark need not count what gpuqd has given
        return Command(
            argv=submit.argv(
                attempt,
                installation,
                master=f"local-cluster[{len(seats)},1,{submit.EXECUTOR_HEAP_MIB}]",
                conf={
                    **submit.shared(uncounted),
                    **submit.beside_driver(attempt, HOST),
                    **submit.on_standalone(uncounted),
                },
                properties=properties,
                spec=path,
            ),
            env=submit.driver_environment(attempt, env, HOST),
            cwd=attempt.folder,
        )

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return the node of each rank; no rank has one once the attempt is proven gone."""
        note = self._note(attempt_token)
        return {} if note is None else {rank: seat.node for rank, seat in enumerate(note.seats)}

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Send the order's signal to the attempt's driver."""
        note = self._note(attempt_token)
        return note is not None and leftovers.signal_marked(attempt_token, driver_pid, order.signal, uid=note.uid)

    def last_words(self, attempt_token: str, application_id: str | None, known: Collection[str]) -> tuple[str, ...]:
        """Return what executors said last that never became a rank."""
        note = self._note(attempt_token)
        if note is None or application_id is None:
            return ()
        return last_words(Path(note.scratch), ("spark", "work", application_id), known, "")

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left of an attempt, then take back its GPUs and its scratch folder."""
        note = self._note(attempt_token)
        if note is None:
            return 0
        alive = leftovers.kill_marked(
            attempt_token,
            wait_s=_RECLAIM_S,
            log_folder=Path(note.folder) / "logs",
            work_folders=[Path(note.scratch)],
            uid=note.uid,
        )
        if alive == 0:
            shutil.rmtree(note.scratch, ignore_errors=True)
            self._path(attempt_token).unlink(missing_ok=True)
        return alive

    def _seats(self, attempt: Attempt) -> tuple[Seat, ...]:
        """Return the attempt's seats, noted before anything is started."""
        known = self._note(attempt.token)
        if known is not None:
            return known.seats
        assert self._slots is not None
        taken = {gpu for note in self._all_notes() for seat in note.seats for gpu in seat.gpus}
        free = {
            name: [address for address in addresses if address not in taken]
            for name, addresses in zip(self._names, self._slots.addresses, strict=True)
        }
        seats = seated(attempt.workers, attempt.gpus_per_worker, attempt.gpus_by_node, free)
        if seats is None:
            raise EngineError("Too few GPUs of its nodes are free; those of an ended job may not be given back yet.")
        servers = [Seat(node=node, gpus=()) for node, count in attempt.ps_by_node.items() for _ in range(count)]
        seats += tuple(servers) or (Seat(node=seats[0].node, gpus=()),) * attempt.servers
        note = _Note(
            uid=os.geteuid() if attempt.owner is None else attempt.owner.uid,
            folder=str(attempt.folder),
            scratch=str(attempt.scratch),
            seats=seats,
        )
        write_private(self._path(attempt.token), msgspec.json.encode(note))
        return seats

    def _path(self, token: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", token):
            raise ValueError(f"not a token: {token!r}")
        return self._notes / f"{token}.json"

    def _note(self, token: str) -> _Note | None:
        try:
            return msgspec.json.decode(self._path(token).read_bytes(), type=_Note)
        except FileNotFoundError:
            return None

    def _all_notes(self) -> list[_Note]:
        return [msgspec.json.decode(path.read_bytes(), type=_Note) for path in self._notes.glob("*.json")]


def _settings() -> str:
    """Return what no list of processes may show: nobody else on this machine gets into this Spark or its pages."""
    web = "spark.org.apache.spark.ui.JWSFilter.param.secretKey"
    return (
        "spark.authenticate true\n"
        f"spark.authenticate.secret {secrets.token_hex(32)}\n"
        "spark.ui.killEnabled false\n"
        "spark.ui.filters org.apache.spark.ui.JWSFilter\n"
        f"{web} {base64.urlsafe_b64encode(secrets.token_bytes(48)).decode()}\n"
    )


def _own_home(scratch: Path, installation: Installation) -> Path:
    """Make a SPARK_HOME that the owner can write to, of links to the real one."""
    home = scratch / "spark"
    home.mkdir(mode=0o700, exist_ok=True)
    for name in ("jars", "python"):
        if not (home / name).is_symlink():
            (home / name).symlink_to(installation.spark_home / name)
    return home
