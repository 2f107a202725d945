"""What runs in an executor around the user's `main_fun(args, ctx)`: its surroundings and its reports."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpuq_job import blame, process_tree, script, stopping, tfos
from gpuq_job.carrying import Carrying
from gpuq_job.explained import explained
from gpuq_job.fed import Fed
from gpuq_job.link import RankEnd
from gpuq_job.node_hooks import failure
from gpuq_job.orders import STOP, Order
from gpuq_job.rank_log import flush, printed_to, say, say_error, tail
from gpuq_job.sampling import sampled
from gpuq_job.serving import end_with_training
from gpuq_job.spec import Run
from gpuq_job.witnessed import Witness
from gpuq_job.words import exit_code, one_line, words


class Words(list[str]):
    """The words for `main_fun`, which also tell TFoS the number of GPUs.

    TFoS asks `'num_gpus' in args` and then `args.num_gpus`: without it, it takes a GPU where none was asked
    for, and fails where a user's own word is "num_gpus".
    """

    num_gpus: int = 0

    def __contains__(self, word: object) -> bool:
        return word == "num_gpus" or super().__contains__(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class MainFun:
    """The function that TFoS runs on every node of an attempt; `address` is where the driver listens.

    `function` is the user's, None for the script's `main_fun`. `is_alone`: the node is in no cluster of TFoS's.
    `script_text` is the script where files are carried: then a host need not have the job's folder.
    """

    run: Run
    address: tuple[str, int]
    function: Callable[[Any, Any], object] | None = None
    is_alone: bool = False
    script_text: str | None = None

    def __call__(self, args: Any, ctx: Any) -> None:  # ctx: TFoS's TFNodeContext
        if self.script_text is None or Path(self.run.folder).exists():
            self._run(args, ctx)
        else:
            replace(self, run=_here(self.run, self.script_text))._run(args, ctx)

    def _run(self, args: Any, ctx: Any) -> None:
        rank: int = ctx.executor_id
        if rank < len(self.run.seats):
            # TensorFlow looks at this when it first uses a GPU; until here nobody has.
            os.environ["GPUQ_NODE"], gpus = self.run.seats[rank]
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        end = RankEnd(self.address, bytes.fromhex(self.run.key), rank, on_word=obey)
        witness = Witness(self.address, self.run.key, rank)
        try:
            end.tell("RESERVED", role=ctx.job_name or "worker", **self._host(), **_whereabouts())
            self._check_reach(end)
            self._prepare(end, rank)
            with printed_to(self.run.log(rank)) as streams:
                faulthandler.enable(file=2)
                carrying = Carrying(self.run, rank, streams)
                may_be_fed = (self.run.epochs or self.run.driver) and rank < self.run.workers and not self.is_alone
                fed = Fed(end, ctx.mgr) if may_be_fed else None
                error = self._follow(end, rank, _unwrapped(args), ctx, fed, carrying)
                if fed is not None and error is None and self.run.epochs:
                    fed.wait_for_end()
        finally:
            witness.dismiss()
            end.close()
        if error is not None:
            raise RuntimeError(f"rank {rank}: {error}")

    def _check_reach(self, end: RankEnd) -> None:
        """Check that this host sees the job's folder and may write there."""
        if not os.access(self.run.log(0).parent, os.R_OK | os.W_OK | os.X_OK):
            error = (
                f"{socket.gethostname()} cannot write to the job's folder {self.run.folder}: set jobs_dir to a file "
                "system that all nodes share, and have its jobs run as a user who may write there; or set log_uri"
            )
            end.tell("FAILED", exit_code=1, error=error, tail=[])
            raise RuntimeError(error)

    def _prepare(self, end: RankEnd, rank: int) -> None:
        """Run what the site wants run on this host before the user's function."""
        for name in ("health", "prolog"):
            wrong = self._hooked(end, rank, name)
            if wrong is not None:
                end.tell("FAILED", exit_code=1, error=wrong, reason=blame.NODE_LOST, tail=[])
                raise RuntimeError(wrong)

    def _hooked(self, end: RankEnd, rank: int, name: str, **more: str) -> str | None:
        """Run a program of the site's, if there is one; return how it failed, and tell it."""
        hook = next((one for one in self.run.node_hooks if one.name == name), None)
        if hook is None:
            return None
        wrong = failure(hook, {**self.run.hook_words, "GPUQ_RANK": str(rank), **more})
        if wrong is not None:
            end.tell_hook(name, wrong)
        return wrong

    def _host(self) -> dict[str, str]:
        """Return this rank's host, where TFoS does not tell the driver."""
        return {"host": os.environ.get("GPUQ_HOST") or socket.gethostname()} if self.is_alone else {}

    def _follow(self, end: RankEnd, rank: int, args: Any, ctx: Any, fed: Fed | None, carrying: Carrying) -> str | None:
        """Run the script and report its end; return what went wrong in one line."""
        code, error, reason = self._end_of(end, rank, args, ctx, fed)
        carrying.finish()
        self._hooked(end, rank, "epilog", GPUQ_RANK_EXIT_CODE=str(code))
        if fed is not None:
            fed.tell()
        if code == 0:
            end.tell("DONE", exit_code=0, stopped=stopping.heeded())
            return None
        flush()
        end.tell("FAILED", exit_code=code, error=error, reason=reason, tail=tail(self.run.log(rank)))
        return error

    def _end_of(self, end: RankEnd, rank: int, args: Any, ctx: Any, fed: Fed | None) -> tuple[int, str, str]:
        """Run the script; return the code it ends with, what went wrong in one line, and whose fault it was."""
        has_begun, log = False, self.run.log(rank)
        try:
            _surround_rank(self.run, rank)
            signal.signal(signal.SIGUSR1, note_request)  # the script may set a handler of its own
            end_with_training(end)
            main_fun = self.function or script.function(script.load(Path(self.run.script)), "main_fun", "args, ctx")
            end.tell("RUNNING", **_whereabouts())
            if fed is not None:
                fed.begin(tfos.data_feed())
            has_begun = True
            with sampled(self.run.sample_every_s, end.tell_sample):
                script.check_that_it_ran(main_fun(args, ctx))
        except SystemExit as request:
            code, why = exit_code(request)
            if code == 0 and not has_begun and stopping.heeded() is None:
                code, why = 1, _NEVER_BEGAN
            if request.code is not None and not isinstance(request.code, int):
                say_error(f"{words(request.code)}\n", log)
            return code, why, blame.USER_ERROR
        except BaseException as caught:  # whatever it is, it ended this rank and must be told
            told = traceback.format_exception(type(caught), caught, _users_part(caught))
            say_error("".join(told), log)
            return 1, explained(caught) or one_line(caught), blame.of_error(caught)
        return 0, "", ""


def _here(run: Run, script_text: str) -> Run:
    """Return the attempt with folders on this host only, in its temporary one, which is removed with the executor."""
    folder = Path(tempfile.mkdtemp(prefix="job-"))
    script = folder / "script" / Path(run.script).name
    for one in (folder / "logs", script.parent):
        one.mkdir()
    script.write_text(script_text, encoding="utf-8")
    return replace(run, folder=str(folder), script=str(script), checkpoints=str(folder / "checkpoints"))


def note_request(*_: object) -> None:
    """Print that the job is to stop soon: what SIGUSR1 does where the script does nothing."""
    say(f"gpuq: asked to stop soon ({stopping.requested()})")


def obey(word: str) -> None:
    """Do what the driver has said."""
    if word.startswith(STOP):
        stopping.ask(word.removeprefix(STOP))
    elif word == Order.STACKS.word:
        print_stacks()


def print_stacks() -> None:
    """Print where each thread of this process is, in one piece between two lines that can be looked for."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile() as file:  # who listens must hear the next order too
        faulthandler.dump_traceback(file=file, all_threads=True)
        file.seek(0)
        stacks = file.read()
        os.write(2, b"\n".join((STACKS_BEGIN.encode(), stacks.rstrip(b"\n"), STACKS_END.encode(), b"")))


_NEVER_BEGAN = "The script ended with sys.exit while it was loaded: its function was never called"
STACKS_BEGIN = "gpuq: stacks of every thread, asked for by gpuq stacks"
STACKS_END = "gpuq: end of stacks"


def _unwrapped(args: Any) -> Any:
    """Return what the user's function is given: words as a plain list, what a driver script gave as it is."""
    return list(args) if isinstance(args, Words) else args


def surround(run: Run) -> None:
    """Make the job's words and folders known to a script."""
    Path(run.checkpoints).mkdir(parents=True, exist_ok=True)
    os.environ["GPUQ_JOB_ID"] = str(run.job_id)
    os.environ["GPUQ_ATTEMPT_NUMBER"] = str(run.attempt)
    os.environ["GPUQ_CHECKPOINT_DIR"] = run.checkpoints
    os.environ.update(run.words)
    sys.argv = list(run.args)


def _surround_rank(run: Run, rank: int) -> None:
    surround(run)
    run.events(rank).mkdir(parents=True, exist_ok=True)
    os.environ["GPUQ_RANK"] = str(rank)
    os.environ["GPUQ_LOG_DIR"] = str(run.events(rank))
    os.environ[stopping.FILE] = str(Path(tempfile.gettempdir()) / f"gpuq-stop-{run.job_id}-{run.attempt}-{rank}")


def _whereabouts() -> dict[str, object]:
    """Return what only the process itself knows: its pid and start, node, executor, YARN container and GPUs."""
    return {
        "pid": os.getpid(),
        "start_time": process_tree.start_time(os.getpid()),
        "boot_id": process_tree.boot_id(),
        "container_id": os.environ.get("CONTAINER_ID"),
        "node": os.environ.get("GPUQ_NODE"),
        "executor_id": os.environ.get("SPARK_EXECUTOR_ID"),
        "gpus": [word for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word],
    }


def _users_part(error: BaseException) -> Any:
    """Return the traceback without gpuq's own frame."""
    trace = error.__traceback__
    return trace.tb_next if trace is not None and trace.tb_next is not None else trace
