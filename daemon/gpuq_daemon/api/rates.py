"""How often one user may ask: a token bucket each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

_MOST = 10_000


class Rates:
    """A bucket for each key, which holds `burst` requests and fills by `per_s`; `now` is any clock in seconds.

    Buckets that are full again are as good as none, so only the most recent are kept.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: Hashable, *, per_s: float, burst: int, now: float) -> float:
        """Take one request out of a bucket and return 0; with none left, return the seconds until there is one."""
        left, since = self._buckets.get(key, (float(burst), now))
        left = min(float(burst), left + max(0.0, now - since) * per_s)
        wait = 0.0 if left >= 1 else (1 - left) / per_s
        self._buckets[key] = (left - 1 if not wait else left, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return wait
