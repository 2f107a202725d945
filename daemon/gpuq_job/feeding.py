"""Feeds the RDD that a script's `feed(sc, args)` returns to the workers of its cluster, from the driver."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pyspark import cloudpickle

from gpuq_job import script
from gpuq_job.spec import Run

_NEVER_S = 10**9  # how long a training takes for its rows is its own matter


class FeedError(Exception):
    """The script's `feed` has not given rows; the message is for its author."""


def rows(context: Any, run: Run) -> Any:
    """Return the RDD that the script feeds; a DataFrame is taken by its rows.

    Raises:
        FeedError: it gave something else.
    """
    sys.argv = list(run.args)
    module = script.load(Path(run.script))
    cloudpickle.register_pickle_by_value(module)  # executors cannot import it
    given = script.function(module, "feed", "sc, args")(context, list(run.args))
    found = getattr(given, "rdd", given)
    if not hasattr(found, "foreachPartition"):
        raise FeedError(f"feed(sc, args) returned {type(given).__name__}: it must return an RDD or a DataFrame")
    return found


def feed(cluster: Any, given: Any, epochs: int) -> None:
    """Feed the rows so often; return when all are taken."""
    cluster.train(given, epochs, feed_timeout=_NEVER_S)
