"""Who of the unfinished jobs of one user and name is the first: what `singleton` waits to be."""

from __future__ import annotations

from bisect import bisect_left, insort


class Names:
    """Unfinished jobs by user and name."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], list[int]] = {}

    def add(self, user: str, name: str, job_id: int) -> tuple[int, ...]:
        """Note a job, pending or active; return who was first until now, for whom that may matter."""
        ids = self._ids.setdefault((user, name), [])
        insort(ids, job_id)
        return (ids[1],) if len(ids) > 1 and ids[0] == job_id else ()

    def remove(self, user: str, name: str, job_id: int) -> tuple[int, ...]:
        """Forget a job that has ended; return who is first now, for whom that may matter."""
        ids = self._ids.get((user, name), [])
        at = bisect_left(ids, job_id)
        if at < len(ids) and ids[at] == job_id:
            del ids[at]
        if not ids:
            self._ids.pop((user, name), None)
            return ()
        return (ids[0],) if at == 0 else ()

    def is_first(self, user: str, name: str, job_id: int) -> bool:
        """Return whether no earlier unfinished job has this user and name."""
        ids = self._ids.get((user, name))
        return not ids or ids[0] >= job_id
