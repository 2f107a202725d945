"""The driver of an attempt: `spark-submit driver.py spec.json`; or of one that was started before it (`standby`).

Starts the TFoS cluster, follows its ranks, writes reports.jsonl. With the first failure it writes the outcome
and ends at once with that rank's exit code: waiting for the peers is what takes TFoS minutes, and whoever
started this driver ends what is left. After success it ends Spark, in order where others are to know.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyspark import SparkContext

from gpuq_job import blame, feeding, independent, orders, pod_orders, spec, tfos
from gpuq_job.driver_end import DriverEnd
from gpuq_job.hearing import Hearing, removal
from gpuq_job.outcome import Ranks, Report
from gpuq_job.own_driver import OwnDriver
from gpuq_job.rank import MainFun, Words
from gpuq_job.rank_log import flush, shortened
from gpuq_job.reports import Reports

_POLL_S = 0.1
_LAST_WORDS_S = 1.0
_RESERVATION_TIMEOUT_S = 600


class Driver:
    """One attempt, from its SparkContext to its outcome."""

    def __init__(
        self,
        run: spec.Run,
        heard: queue.SimpleQueue[orders.Order] | None = None,
        context: SparkContext | None = None,
    ) -> None:
        """`heard` is where orders arrive, `context` Spark that is there already; None: both begin here."""
        self.run = run
        self.context = context
        self.reports = Reports(run.reports)
        self.ranks = Ranks(workers=run.workers, servers=run.servers, are_independent=run.independent)
        self.end = DriverEnd(run.host, bytes.fromhex(run.key))
        self.reserved: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.tfos_error: str | None = None
        self.tfos_reason: str | None = None
        self.orders = pod_orders.listening() if heard is None else heard
        self.hearing = Hearing(run, self.end, self.ranks, removal)
        self.module: Any = None
        self.cluster: Any = None
        self.starting = threading.Thread()
        self.is_fed = threading.Event()

    def main(self) -> int:
        """Run the attempt, and end Spark with it; return its exit code."""
        code = self.lead()
        if code == 0 and self.context is not None and self.ranks.first_failed is None:
            self._end(self.context)
        return code

    def lead(self) -> int:
        """Run the attempt to its outcome; return its exit code."""
        importing = threading.Thread(target=self._import, name="import", daemon=True)
        importing.start()
        try:
            context = self.context = SparkContext() if self.context is None else self.context
        except Exception as error:  # py4j's kinds of failure share no base
            traceback.print_exc()
            said = f"Spark did not start the application: {_first_line(error)}"
            self._report(self.ranks.broke(said, blame.of_spark(str(error))))
            return 1
        self.reports.add({"kind": "application", "application_id": context.applicationId, "driver_pid": os.getpid()})
        importing.join()
        start = self._start_independent if self.run.independent else self._start
        self.starting = threading.Thread(target=start, args=(context,), name="tfos", daemon=True)
        self.starting.start()
        return self._follow()

    def _import(self) -> None:
        self.module = tfos.import_cluster()

    def _start_independent(self, context: SparkContext) -> None:
        main_fun = MainFun(run=self.run, address=self.end.address, is_alone=True, script_text=self.run.script_text())
        error = independent.run(context, main_fun, Words(self.run.args))
        if error is not None:
            self.tfos_error = blame.line_of(str(error))

    def _start(self, context: SparkContext) -> None:
        """Start TFoS's cluster; it is complete when this ends without `tfos_error`."""
        run = self.run
        try:
            rows = feeding.rows(context, run) if run.epochs else None
        except Exception as error:  # whatever is wrong with the user's rows
            traceback.print_exc()
            self.tfos_reason = blame.of_error(error)
            self.tfos_error = shortened(f"{type(error).__name__}: {error}".splitlines()[0])
            return
        words = Words(run.args)
        words.num_gpus = run.gpus_per_worker
        tfos.watch_reservations(run.host, self.reserved.put)
        try:
            self.cluster = self.module.run(
                tfos.split_nodes(self.module, context, run) if run.servers else context,
                MainFun(run=run, address=self.end.address, script_text=run.script_text()),
                words,
                num_executors=run.ranks,
                num_ps=run.ps,
                eval_node=run.evaluator,
                input_mode=self.module.InputMode.SPARK if run.epochs else self.module.InputMode.TENSORFLOW,
                master_node="chief",
                reservation_timeout=tfos.reservation_timeout(_RESERVATION_TIMEOUT_S),
            )
            if rows is not None:
                feeding.feed(self.cluster, rows, run.epochs)
                self.is_fed.set()
        except BaseException as error:  # TFoS calls sys.exit in here
            if not isinstance(error, SystemExit):
                traceback.print_exc()
            missing = self._not_all_there(error)
            self.tfos_reason = None if missing is None else blame.RESERVATION_TIMEOUT
            self.tfos_error = self._spark_error() or missing or _first_line(error)

    def _not_all_there(self, error: BaseException) -> str | None:
        """Return what TFoS's time-out means, if that is what the error is."""
        if "timed out waiting for reservations" not in str(error):
            return None
        return (
            f"only {len(self.ranks.known)} of {self.run.ranks} nodes came up within {_RESERVATION_TIMEOUT_S} s: "
            "the nodes are too busy, or Spark could not start the others; see the driver's log"
        )

    def _follow(self) -> int:
        while self.ranks.outcome is None:
            for message in self.end.messages(_POLL_S):
                self._report(self.hearing.reports(message))
            while not self.orders.empty():
                self.end.say(self.orders.get().word)
            if self.is_fed.is_set():
                self.is_fed.clear()
                self.end.say_fed()
            while not self.reserved.empty():
                node = self.reserved.get()
                self._report(self.ranks.reserved(node["executor_id"], node["job_name"], node["host"]))
            error = self.tfos_error or self._spark_error()
            if error is not None:
                self._last_words()
                if self.ranks.outcome is None:
                    whole: str = self.module.tf_status.get("error") or error
                    self._report(self.ranks.broke(error, self.tfos_reason or blame.of_spark(whole)))
        return int(self.ranks.outcome["exit_code"])

    def _last_words(self) -> None:
        """Take in what ranks said, or that they are gone: Spark may notice a failure a moment before they tell it."""
        deadline = time.monotonic() + _LAST_WORDS_S
        while self.ranks.outcome is None and time.monotonic() < deadline:
            for message in self.end.messages(_POLL_S):
                self._report(self.hearing.reports(message))

    def _spark_error(self) -> str | None:
        """Return what TFoS's Spark job failed with, in one line."""
        text = self.module.tf_status.get("error")
        return None if text is None else f"The TensorFlowOnSpark cluster failed: {blame.line_of(text)}"

    def _end(self, context: SparkContext) -> None:
        """End Spark after a training that is done; a failure here does not undo it.

        A Spark that is this attempt's alone needs no order: what is left of it is ended from outside. Only those that
        served others wait for TFoS to end them, and tell meanwhile that they have ended, too.
        """
        self.end.say_over()
        if self.run.servers and not self.run.independent:
            self.starting.join()
            self._end_servers()
        elif str(context.master).startswith("local-cluster"):
            tfos.halt(context)
        else:
            if self.starting.is_alive() and self.run.epochs:
                context.cancelAllJobs()  # nobody takes rows any more
            tfos.await_jobs(context, _LAST_WORDS_S)
        context.stop()

    def _end_servers(self) -> None:
        ending = threading.Thread(target=self._shut_down, name="shutdown", daemon=True)
        ending.start()
        while ending.is_alive():
            for message in self.end.messages(_POLL_S):
                self._report(self.hearing.reports(message))

    def _shut_down(self) -> None:
        try:
            self.cluster.shutdown(timeout=-1)
        except BaseException:  # TFoS calls sys.exit in here
            traceback.print_exc()

    def _report(self, reports: list[Report]) -> None:
        for report in reports:
            self.reports.add(report)


def _first_line(error: BaseException) -> str:
    return shortened((str(error).strip().splitlines() or [type(error).__name__])[0])


def _main() -> None:
    run = spec.read(Path(sys.argv[1]))
    run = run if run.host else replace(run, host=os.environ["SPARK_DRIVER_BIND_ADDRESS"])  # known in its pod only
    code = (OwnDriver if run.driver else Driver)(run).main()
    flush()
    os._exit(code)  # threads of TFoS and py4j must not hold up the end


if __name__ == "__main__":
    _main()
