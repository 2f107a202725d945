"""The rows that Spark feeds to a rank: counted as its script takes them, and ended when there are no more.

TFoS ends a feed by a Spark job of as many tasks as there are workers, of which one node may get two and another none;
and it ends the processes when that job is done, which may be in the middle of an export. Here the driver tells every
rank that its rows are fed, and waits for every `main_fun` to return.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from gpuq_job.link import RankEnd

_QUEUE = "input"
_TELL_EVERY_S = 10.0


class Fed:
    """The feed of one rank, in its process."""

    def __init__(self, end: RankEnd, manager: Any) -> None:
        self._end = end
        self._manager = manager
        self._rows = 0
        self._told_at = 0.0

    def begin(self, data_feed: Any) -> None:
        """Count what the script takes from TFoS's `DataFeed`, and end it when the driver says that all is fed."""
        data_feed.next_batch = self._counted(data_feed.next_batch)
        threading.Thread(target=self._end_feed, name="feed", daemon=True).start()

    def tell(self) -> None:
        """Tell the driver how many rows the script has taken, if any."""
        self._told_at = time.monotonic()
        if self._rows:
            self._end.tell("RUNNING", rows=self._rows)

    def wait_for_end(self) -> None:
        """Drop the rows that still come, until the training is over: who feeds waits for somebody to take them."""
        self._manager.set("state", "terminating")
        threading.Thread(target=self._drop, name="drop", daemon=True).start()
        self._end.wait_for_end()

    def _counted(self, next_batch: Callable[[Any, int], Any]) -> Callable[[Any, int], Any]:
        def counted(feed: Any, batch_size: int) -> Any:
            batch = next_batch(feed, batch_size)
            self._rows += _count(batch)
            if time.monotonic() - self._told_at >= _TELL_EVERY_S:
                self.tell()
            return batch

        return counted

    def _end_feed(self) -> None:
        if self._end.wait_for_fed():
            self._manager.get_queue(_QUEUE).put(None)

    def _drop(self) -> None:
        rows = self._manager.get_queue(_QUEUE)
        while True:
            rows.get()
            rows.task_done()


def _count(batch: Any) -> int:
    """Return the rows of a batch; TFoS makes columns of it where an `input_mapping` names them."""
    columns = list(batch.values()) if hasattr(batch, "values") else [batch]
    return len(columns[0]) if columns else 0
