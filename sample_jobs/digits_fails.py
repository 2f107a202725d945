#GPUQ --workers 2
#GPUQ --gpus-per-worker 1
"""A training that fails on one worker, to see how that looks: the others wait for it.

gpuq enqueue sample_jobs/digits_fails.py              # raises an error
gpuq enqueue sample_jobs/digits_fails.py -- --exit 3  # ends with an exit code
"""

import argparse
import sys
import time


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--rank", type=int, default=1, help="the worker that fails")
    parser.add_argument("--exit", type=int, help="the exit code to end with, instead of an error")
    options = parser.parse_args(args[1:])

    print(f"{ctx.job_name}:{ctx.task_index} reads its data")
    if ctx.executor_id != options.rank:
        time.sleep(3600)  # as in a collective operation that never completes
    if options.exit is not None:
        print(f"giving up with exit code {options.exit}")
        sys.exit(options.exit)
    raise ValueError("the labels of this worker's data are missing")
