#GPUQ --workers 1
#GPUQ --gpus-per-worker 1
"""Holds its GPUs and does nothing until it is cancelled, to try the queue: gpuq enqueue sample_jobs/sleeper.py"""

import time


def main_fun(args, ctx):
    print(f"{ctx.job_name}:{ctx.task_index} sleeps", flush=True)
    while True:
        time.sleep(60)
