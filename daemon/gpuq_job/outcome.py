"""Follows the ranks of one attempt and decides when, and how, its training is over. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpuq_job import blame

Report = dict[str, Any]  # a line of reports.jsonl without its time

LOST_EXIT_CODE = 137  # killed: nobody tells the driver by which signal, and SIGKILL is the likeliest
_ENDED = ("DONE", "FAILED", "LOST", "KILLED")


@dataclass(slots=True)
class Ranks:
    """The ranks of one attempt. The first one to fail or to be lost decides the outcome; independent ones end all.

    Without a failure the training is over when the chief is done and so is every worker, or it only serves
    others: neither parameter servers nor an evaluator are waited for. Ranks that are driven by a script are over when
    that ends, and it ends its parameter servers and its evaluator.
    """

    workers: int
    servers: int = 0
    are_independent: bool = False
    are_driven: bool = False
    first_failed: Report | None = None
    known: dict[int, Report] = field(default_factory=dict[int, Report])
    outcome: Report | None = None

    def reserved(self, rank: int, role: str, host: str) -> list[Report]:
        """Take in that TFoS has reserved a node."""
        return self.heard({"rank": rank, "state": "RESERVED", "role": role, "host": host})

    def heard(self, message: Report) -> list[Report]:
        """Take in a rank's own words; return what to report."""
        if not 0 <= message["rank"] < self.workers + self.servers:
            return []
        before = self.known.get(message["rank"], {})
        if before.get("state") in _ENDED:
            return []
        now = {**_BLANK, **before, **{key: value for key, value in message.items() if key in _BLANK}}
        if now == before:
            return []
        self.known[message["rank"]] = now
        return [{"kind": "rank", **now}, *self._decided(now)]

    def may_be_lost(self, rank: int) -> bool:
        """Whether it would be a loss if the rank's connection ended now."""
        is_served = self.outcome is not None or (self.are_driven and rank >= self.workers)
        return not is_served and self.known.get(rank, _BLANK)["state"] not in _ENDED

    def hung_up(self, rank: int, tail: list[str], *, was_killed_for_memory: bool = False) -> list[Report]:
        """Take in that a rank's connection ended; without a word before, the rank is lost.

        What the end of the training has ended is not lost.
        """
        if not self.may_be_lost(rank):
            return self.heard({"rank": rank, "state": "KILLED"})
        reason = blame.of_silence(tail, was_killed_for_memory=was_killed_for_memory)
        return self.heard(
            {
                "rank": rank,
                "state": "LOST",
                "exit_code": LOST_EXIT_CODE,
                "error": _LOST[reason],
                "reason": reason,
                "tail": tail,
            }
        )

    def ended(self, code: int, error: str, reason: str = blame.USER_ERROR) -> list[Report]:
        """Take in how the script that drives the ranks has ended; `reason`, a word of `blame`, counts if it failed.

        It has not ended well if one of its workers is still in the user's function.
        """
        if code == 0 and self.known and not self.is_over():
            code, error, reason = 1, _LEFT_ALONE, blame.USER_ERROR
        return self._over(code, error or None, reason=reason if code else None, stopped=self._stopped())

    def broke(self, error: str, reason: str) -> list[Report]:
        """Take in that TFoS or Spark failed where no rank has said anything; `reason` is a word of `blame`."""
        return self._over(1, error, reason=reason)

    def _decided(self, now: Report) -> list[Report]:
        if now["state"] in ("FAILED", "LOST") and self.first_failed is None:
            self.first_failed = now
        failed = self.first_failed
        stopped = self._stopped()
        if failed is not None and stopped is not None:
            return self._over(0, None, stopped=stopped)  # it misses a peer that has stopped as it was asked to
        if failed is not None:
            if self.are_independent and not self._have_all_ended():
                return []
            code = failed["exit_code"] or 1  # a failure that says 0 is one all the same
            return self._over(
                code, failed["error"], failed["rank"], failed["tail"], reason=failed["reason"] or blame.USER_ERROR
            )
        return self._over(0, None, stopped=stopped) if not self.are_driven and self.is_over() else []

    def _have_all_ended(self) -> bool:
        return all(self.known.get(rank, _BLANK)["state"] in _ENDED for rank in range(self.workers))

    def executor_of(self, rank: int) -> str | None:
        """Return the executor that a rank runs in, None if it has not told."""
        return self.known.get(rank, _BLANK)["executor_id"]

    def _stopped(self) -> str | None:
        """Return why ranks have stopped before their training's end, None if none has."""
        return next((rank["stopped"] for rank in self.known.values() if rank["stopped"] is not None), None)

    def is_over(self) -> bool:
        """Whether the chief is done, and every other worker is or only serves."""
        workers = [self.known.get(rank, _BLANK) for rank in range(self.workers)]
        chief, *others = workers
        return chief["state"] == "DONE" and all(one["state"] == "DONE" or one["is_serving"] for one in others)

    def _over(
        self,
        code: int,
        error: str | None,
        rank: int | None = None,
        tail: list[str] | None = None,
        *,
        reason: str | None = None,
        stopped: str | None = None,
    ) -> list[Report]:
        if self.outcome is not None:
            return []
        self.outcome = {
            "kind": "outcome",
            "exit_code": code,
            "error": error,
            "failed_rank": rank,
            "tail": tail or [],
            "reason": reason,
            "stopped": stopped,
        }
        return [self.outcome]


_LEFT_ALONE = (
    "The driver script ended before every worker had left its function, so what they still had to save is lost: "
    "let it call cluster.shutdown()."
)
_LOST = {
    blame.NODE_LOST: "The rank's process ended without a word: it or its node was killed from outside.",
    blame.OUT_OF_MEMORY: "The rank's process was killed for its memory: its machine, or its container, had none left.",
    blame.GPU_LOST: "The rank's process ended after its GPU had failed.",
    blame.USER_ERROR: "The rank's process crashed; its log ends with where.",
}
_BLANK: Report = {
    "rank": None,
    "role": None,
    "host": None,
    "node": None,
    "pid": None,
    "start_time": None,
    "boot_id": None,
    "container_id": None,
    "executor_id": None,
    "gpus": [],
    "state": None,
    "is_serving": False,
    "exit_code": None,
    "rows": None,
    "error": None,
    "reason": None,
    "stopped": None,
    "tail": [],
}
