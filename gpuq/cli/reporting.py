"""Puts together what a report of a job tells, from what gpuqd knows of it."""

from __future__ import annotations

from gpuq.cli.following import whole_log
from gpuq.errors import GpuqError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from gpuq.client import Client, Json

_SAMPLED = "/gpuq"  # gpuq.summaries.SAMPLED; loading that costs more than this
_LOG_BYTES = 16 * 1024
_LOG_LINES = 30
_MOST_TAGS = 40
_MOST_WEIGHTS = 12


class Report:
    """What is told of a job; where there is nothing of a kind, it is empty.

    `scalars` are `summaries.Compared` of the job alone, `histograms` tags, `weights` `summaries.Distribution` of the
    largest variables in its newest checkpoint, `damage` why that cannot be read. `log` ends that of `log_rank`.
    """

    def __init__(self, client: Client, job_id: int) -> None:
        self.client = client
        self.job: Json = client.job(job_id)
        self.why: Json = client.why(job_id)
        series = client.series(job_id)
        self.scalars: list[Json] = []
        tags = _scalars(series)
        if tags:
            self.scalars = sorted(client.compare([job_id], tags)["tags"], key=self._order)
        self.histograms = list(dict.fromkeys(one["tag"] for one in series if one["kind"] == "histogram"))[:_MOST_TAGS]
        self.checkpoints: list[Json] = client.checkpoints(job_id) if self.job["attempt"] else []
        self.damage: str | None = None
        self.weights: list[Json] = []
        if self.checkpoints:
            self._read_weights()
        self.log_rank = self.job["failed_rank"] or 0
        self.log = _or(lambda: _last_lines(client, job_id, self.log_rank), [])

    def _order(self, one: Json) -> tuple[bool, bool, str]:
        """What stands for the job comes first, what gpuq has sampled last."""
        progress: Json | None = self.job["progress"]
        is_sampled = any(job["run"] == _SAMPLED for job in one["jobs"])
        return progress is None or one["tag"] != progress["tag"], is_sampled, one["tag"]

    def _read_weights(self) -> None:
        job_id = self.job["id"]
        try:
            found = self.client.checkpoint(job_id)
            largest = sorted(found["weights"], key=lambda one: -one["bytes"])[:_MOST_WEIGHTS]
            at = found["checkpoint"]["name"]
            for one in largest:
                if one["bytes"] and one["shape"]:
                    self._add_weights(job_id, one["name"], at)
        except GpuqError as error:
            self.damage = str(error)

    def _add_weights(self, job_id: int, name: str, at: str) -> None:
        try:
            self.weights.append(self.client.distribution(job_id, name, at=at, minus=None, bins=40))
        except GpuqError as error:  # a variable of text has no distribution
            self.damage = self.damage or str(error)


def _scalars(series: list[Json]) -> list[str]:
    """Return the first tags that are curves, those of the script before what gpuq has sampled."""
    scalars = sorted((one["run"] == _SAMPLED, one["tag"]) for one in series if one["kind"] == "scalar")
    return list(dict.fromkeys(tag for _, tag in scalars))[:_MOST_TAGS]


def _or(ask: Callable[[], list[str]], otherwise: list[str]) -> list[str]:
    try:
        return ask()
    except NotFoundError:
        return otherwise


def _last_lines(client: Client, job_id: int, rank: int) -> list[str]:
    text = "".join(str(piece["data"]) for piece in whole_log(client, job_id, rank, -_LOG_BYTES))
    return text.replace("\r", "\n").splitlines()[-_LOG_LINES:]
