"""Runs a TFoS driver script as it is: one that makes its SparkContext and calls `TFCluster.run` itself.

Spark gets the job's settings whatever the script asks of it; every node tells of itself as in any other job; and
`TFCluster.shutdown` returns only when every worker has left the user's function, so that no export is cut off.
"""

from __future__ import annotations

import inspect
import os
import queue
import runpy
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pyspark import SparkConf, SparkContext

from gpuq_job import blame, independent, pod_orders, script, spec, tfos
from gpuq_job.driver_end import DriverEnd
from gpuq_job.hearing import Hearing, removal
from gpuq_job.outcome import Ranks, Report
from gpuq_job.rank import MainFun, Words, surround
from gpuq_job.rank_log import flush, say_error
from gpuq_job.reports import Reports
from gpuq_job.words import exit_code, one_line, words

_POLL_S = 0.1
_LAST_WORDS_S = 1.0
_NOWHERE = Path(os.devnull)


class OwnDriver:
    """One attempt whose script is its own driver: the script in the main thread, its ranks followed in another."""

    def __init__(self, run: spec.Run) -> None:
        self.run = run
        self.reports = Reports(run.reports)
        self.ranks = Ranks(workers=run.workers, servers=run.servers, are_driven=True)
        self.end = DriverEnd(run.host, bytes.fromhex(run.key))
        self.reserved: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.orders = pod_orders.listening()
        self.hearing = Hearing(run, self.end, self.ranks, removal)
        self.module: Any = None
        self.is_fed = threading.Event()
        self.is_over = threading.Event()
        self.has_ended = threading.Event()

    def main(self) -> int:
        """Run the script to its end; return the attempt's exit code."""
        surround(self.run)
        self.module = tfos.import_cluster()
        tfos.watch_reservations(self.run.host, self.reserved.put)
        self._give_settings()
        self.module.run = self._counted(self.module.run)
        self.module.TFCluster.shutdown = self._patient(self.module.TFCluster.shutdown)
        tfos.import_parallel().run = self._run_alone
        follower = threading.Thread(target=self._follow, name="ranks", daemon=True)
        follower.start()
        code, error, reason = self._run_script()
        time.sleep(0 if code == 0 else _LAST_WORDS_S)  # a rank that failed has more to say than who waited for it
        self.has_ended.set()
        follower.join()
        self._take_last_words()
        self._report(self.ranks.ended(code, error, reason))
        assert self.ranks.outcome is not None
        return int(self.ranks.outcome["exit_code"])

    def _take_last_words(self) -> None:
        """Take in what workers have said that the script has not waited for."""
        deadline = time.monotonic() + _LAST_WORDS_S
        while self.ranks.known and not self.ranks.is_over() and time.monotonic() < deadline:
            for message in self.end.messages(_POLL_S):
                self._report(self.hearing.reports(message))

    def _run_script(self) -> tuple[int, str, str]:
        """Return the exit code, what went wrong in one line, and whose fault it was."""
        try:
            script.beside(Path(self.run.script))
            runpy.run_path(self.run.script, run_name="__main__")
        except SystemExit as request:
            if request.code is not None and not isinstance(request.code, int):
                say_error(f"{words(request.code)}\n", _NOWHERE)
            return *exit_code(request, "the driver script"), blame.USER_ERROR
        except BaseException as error:  # whatever it is, it ended the script
            say_error(traceback.format_exc(), _NOWHERE)
            return 1, one_line(error), blame.of_driver_script(error)
        return 0, "", ""

    def _follow(self) -> None:
        """Tell what the ranks do; the first one to fail ends the driver, which may wait for it for long."""
        while not self.has_ended.is_set() and self.ranks.outcome is None:
            for message in self.end.messages(_POLL_S):
                self._report(self.hearing.reports(message))
            while not self.orders.empty():
                self.end.say(self.orders.get().word)
            if self.is_fed.is_set():
                self.is_fed.clear()
                self.end.say_fed()
            if self.is_over.is_set():
                self.is_over.clear()
                self.end.say_over()
            while not self.reserved.empty():
                node = self.reserved.get()
                self._report(self.ranks.reserved(node["executor_id"], node["job_name"], node["host"]))
        if self.ranks.outcome is not None:
            flush()
            os._exit(int(self.ranks.outcome["exit_code"]))

    def _give_settings(self) -> None:
        """Make every SparkContext of this process take the job's settings over its own, and tell of it."""
        SparkContext._ensure_initialized()  # pyright: ignore[reportPrivateUsage]  # there is no other way in
        asked, reports = SparkConf().getAll(), self.reports
        made: Any = SparkContext._initialize_context  # pyright: ignore[reportPrivateUsage]  # there is no other way in

        def initialize(self: SparkContext, jconf: Any) -> Any:
            for name, value in asked:
                jconf.set(name, value)
            started: Any = made(self, jconf)
            identity: str = started.sc().applicationId()
            reports.add({"kind": "application", "application_id": identity, "driver_pid": os.getpid()})
            return started

        SparkContext._initialize_context = initialize  # pyright: ignore[reportPrivateUsage]  # as above

    def _counted(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return TFCluster.run for the nodes that this job has, which tell of themselves."""
        signature = inspect.signature(run)

        def counted(*words: Any, **named: Any) -> Any:
            asked = signature.bind(*words, **named)
            asked.apply_defaults()
            given = asked.arguments
            self._check(given)
            if isinstance(given["tf_args"], list):
                given["tf_args"] = Words(cast("list[str]", given["tf_args"]))
                given["tf_args"].num_gpus = self.run.gpus_per_worker
            given["map_fun"] = MainFun(
                run=self.run, address=self.end.address, function=given["map_fun"], script_text=self.run.script_text()
            )
            given["reservation_timeout"] = tfos.reservation_timeout(given["reservation_timeout"])
            if self.run.servers:
                given["sc"] = tfos.split_nodes(self.module, given["sc"], self.run, chief=given["master_node"])
            return run(*asked.args, **asked.kwargs)

        return counted

    def _run_alone(
        self, sc: Any, map_fn: Callable[[Any, Any], object], tf_args: Any, num_executors: int, use_barrier: bool = True
    ) -> None:
        """Do what TFParallel.run does, with the GPUs that each worker was given."""
        if (num_executors, self.run.servers) != (self.run.workers, 0):
            raise ValueError(
                f"TFParallel.run asks for {num_executors} nodes, which are other than those of this job: "
                f"queue it with --workers {num_executors}"
            )
        main_fun = MainFun(
            run=self.run, address=self.end.address, function=map_fn, is_alone=True, script_text=self.run.script_text()
        )
        error = independent.run(sc, main_fun, tf_args)
        if error is not None:
            raise error

    def _check(self, given: dict[str, Any]) -> None:
        """Check that the script wants the nodes that the job has: others would never come."""
        ps, evaluators = int(given["num_ps"]), int(bool(given["eval_node"]))
        workers = int(given["num_executors"]) - ps - evaluators
        if (workers, ps, evaluators) != (self.run.workers, self.run.ps, int(self.run.evaluator)):
            words = f"--workers {workers}" + (f" --ps {ps}" if ps else "") + (" --evaluator" if evaluators else "")
            raise ValueError(
                f"TFCluster.run asks for {given['num_executors']} nodes, which are other than those of this job: "
                f"queue it with {words}"
            )

    def _patient(self, shutdown: Callable[..., Any]) -> Callable[..., Any]:
        """Return TFCluster.shutdown which waits for every worker to leave the user's function."""

        def patient(cluster: Any, *words: Any, **named: Any) -> Any:
            is_fed = cluster.input_mode == self.module.InputMode.SPARK
            if not is_fed:
                self._await_workers()
            answer = shutdown(cluster, *words, **named)
            if is_fed:
                self.is_fed.set()  # TFoS tells it by a Spark job that may miss a worker
                self._await_workers()
            return answer

        return patient

    def _await_workers(self) -> None:
        while not self.ranks.is_over():
            time.sleep(_POLL_S)
        self.is_over.set()

    def _report(self, reports: list[Report]) -> None:
        for report in reports:
            self.reports.add(report)
