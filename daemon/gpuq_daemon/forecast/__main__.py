"""The process beside gpuqd that plays queues forward: one question on standard input, its answer on standard output.

It is as nice as can be, and ends by itself when it takes much longer than it may.
"""

from __future__ import annotations

import os
import resource
import sys
import time

import msgspec

from gpuq_daemon.forecast.answers import answer
from gpuq_daemon.forecast.questions import Question

_NICE = 19
_MOST_CPU_S = 120


def main() -> int:
    """Answer one question."""
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer(question, time.process_time)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
