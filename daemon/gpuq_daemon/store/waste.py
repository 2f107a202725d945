"""GPU time that was held for nothing, by user."""

from __future__ import annotations

import sqlite3

from gpuq.models import EndReason
from gpuq.sharing import WasteRow

_ERRORS = (
    EndReason.USER_ERROR,
    EndReason.OUT_OF_MEMORY,
    EndReason.NODE_LOST,
    EndReason.GPU_LOST,
    EndReason.RESERVATION_TIMEOUT,
    EndReason.ENGINE_FAILED,
    EndReason.NOT_STARTED,
)
_WASTE = f"""
WITH held AS (
  SELECT j.user, j.account, t.number, j.workers * j.gpus_per_worker * 1.0 AS gpus, t.ended_at - t.started_at AS seconds,
         t.end_reason IN ({", ".join(f"'{reason}'" for reason in _ERRORS)}) AS is_failed,
         coalesce(t.running_at, t.ended_at) - t.started_at AS idle_s
  FROM attempts t JOIN jobs j ON j.id = t.job_id WHERE t.ended_at >= :since)
SELECT user, account, sum(gpus * seconds) AS held_gpu_s,
       sum(CASE WHEN is_failed THEN gpus * seconds ELSE 0.0 END) AS failed_gpu_s,
       sum(CASE WHEN number = 1 AND is_failed IS NOT 1 THEN gpus * idle_s ELSE 0.0 END) AS idle_gpu_s,
       sum(CASE WHEN number > 1 AND is_failed IS NOT 1 THEN gpus * idle_s ELSE 0.0 END) AS restarts_gpu_s
FROM held GROUP BY user, account ORDER BY failed_gpu_s + idle_gpu_s + restarts_gpu_s DESC, user, account"""


def wasted(connection: sqlite3.Connection, *, since: float) -> list[WasteRow]:
    """Return what was held, and what of it for nothing, by attempts that ended since a moment; most waste first.

    No second counts twice: what failed is not also idle.
    """
    cursor = connection.execute(_WASTE, {"since": since})
    names = [column[0] for column in cursor.description]
    return [WasteRow(**dict(zip(names, row, strict=True))) for row in cursor]
