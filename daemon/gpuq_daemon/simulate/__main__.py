"""`gpuq admin simulate` where gpuqd is installed: policies on traces, in virtual time."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from gpuq.errors import GpuqError, UsageError
from gpuq.progress import Progress
from gpuq.text import clean, fit
from gpuq_daemon.simulate.course import Pace
from gpuq_daemon.simulate.lab import Lab, limited
from gpuq_daemon.simulate.nodes import parse_nodes
from gpuq_daemon.simulate.policies import DEFAULT, POLICIES
from gpuq_daemon.simulate.report import charts, table
from gpuq_daemon.simulate.summary import Summary
from gpuq_daemon.simulate.synthetic import synthetic
from gpuq_daemon.simulate.trace import TraceJob, read, write


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulations that the words ask for; return the exit code."""
    asked = _parser().parse_args(argv)
    try:
        code = _generate(asked) if asked.generate else _simulate(asked)
        sys.stdout.flush()
        return code
    except GpuqError as error:
        print(f"gpuq: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _simulate(asked: argparse.Namespace) -> int:
    names = [name for part in asked.policy or [DEFAULT] for name in part.split(",")]
    if "all" in names:
        names = list(POLICIES)
    for name in names:
        if name not in POLICIES:
            raise UsageError(f"There is no policy '{fit(clean(name), 40)}': use one of {', '.join(POLICIES)}, or all.")
    if asked.trace is None:
        raise UsageError("Name a trace; --generate FILE writes one to begin with.")
    jobs = _wanted(read(Path(asked.trace)), asked)
    lab = Lab(
        nodes=parse_nodes(asked.nodes),
        weights=_weights(asked.weights, {job.account for job in jobs}),
        restart_s=asked.restart,
        pace=Pace(every_s=asked.pass_every, after_s=asked.pass_after),
        may_preempt=not asked.no_preemption,
    )
    done: list[Summary] = []
    for name in names:
        with Progress(name) as progress:
            done.append(lab.run(name, jobs, timer=time.perf_counter, told=_telling(progress)))
    if asked.json:
        print(json.dumps([asdict(one) for one in done]))
        return 0
    print(table(done))
    if not asked.no_charts:
        print()
        print(charts(done))
    return 0


def _telling(progress: Progress) -> Callable[[int, int], None]:
    """Return what takes how many jobs are over, of how many."""

    def tell(done: int, of: int) -> None:
        progress.done, progress.part = f"{done} of {of} jobs", done / max(1, of)

    return tell


def _wanted(jobs: list[TraceJob], asked: argparse.Namespace) -> list[TraceJob]:
    jobs = jobs[: asked.first] if asked.first else jobs
    match asked.limits:
        case "trace":
            return jobs
        case "none":
            return limited(jobs, None)
        case words:
            try:
                return limited(jobs, 1.0 if words == "exact" else float(words.removeprefix("x")))
            except ValueError as error:
                raise UsageError("--limits is trace, none, exact, or how many times too long, as x3.") from error


def _weights(text: str, accounts: Collection[str]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            weights[name] = 0.0
        if not 0 < weights[name] <= 1e6:
            raise UsageError(f"'{fit(clean(part), 40)}' is no weight: write ACCOUNT=NUMBER, above 0.")
        if name not in accounts:
            known = fit(clean(", ".join(sorted(accounts))), 200)
            raise UsageError(f"Nobody in the trace has the account '{fit(clean(name), 40)}': there is {known}.")
    return weights


def _generate(asked: argparse.Namespace) -> int:
    nodes = parse_nodes(asked.nodes)
    if not 0 < asked.jobs <= 10_000_000:
        raise UsageError("From 1 to 10 000 000 jobs can be generated.")
    jobs = synthetic(asked.jobs, random.Random(asked.seed), gpus=sum(n.gpus for n in nodes), load=asked.load)
    write(jobs, Path(asked.generate))
    print(f"Wrote {len(jobs)} jobs over {jobs[-1].submit_s / 86_400:.1f} days to {clean(asked.generate)}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpuq admin simulate",
        description="Simulate policies on a trace, in virtual time, with the code that decides live.",
        epilog="Policies: " + "; ".join(f"{name}: {one.says}" for name, one in POLICIES.items()) + ".",
    )
    parser.add_argument("trace", nargs="?", help="a CSV file: Philly's columns or gpuq's own")
    parser.add_argument("--policy", action="append", metavar="P", help=f"may be repeated; all is all ({DEFAULT})")
    parser.add_argument("--nodes", default="70x8", metavar="N", help="as 70x8 or 40x8:a100,20x4:v100 (70x8)")
    parser.add_argument("--restart", type=float, default=120.0, metavar="S", help="seconds a restart costs (120)")
    parser.add_argument("--weights", default="", metavar="W", help="shares of accounts, as vision=2,nlp=1")
    parser.add_argument("--limits", default="trace", metavar="L", help="trace, none, exact, or x3 (3 times too long)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="only the first N jobs")
    parser.add_argument("--no-preemption", action="store_true", help="stop nobody")
    parser.add_argument("--pass-every", type=float, default=600.0, metavar="S", help="a pass at least so often (600)")
    parser.add_argument("--pass-after", type=float, default=60.0, metavar="S", help="and so soon after a change (60)")
    parser.add_argument("--no-charts", action="store_true", help="the table only")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    parser.add_argument("--generate", metavar="FILE", help="write a synthetic trace for --nodes instead")
    parser.add_argument("--jobs", type=int, default=5000, help="of how many jobs (5000)")
    parser.add_argument("--load", type=float, default=0.95, help="that ask for this part of the nodes (0.95)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same trace (1)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
