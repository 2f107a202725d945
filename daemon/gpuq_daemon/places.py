"""Where the files of jobs and attempts are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpuq_daemon.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files of an attempt are.

    `folder` and `scratch` belong to the job's owner, and so is all that is in them not to be trusted; `control` is
    gpuqd's own.
    """

    job: Path
    folder: Path
    scratch: Path
    control: Path

    @property
    def claim(self) -> Path:
        """Made once, by the shim that runs the attempt."""
        return self.control / "claim"

    @property
    def own_log(self) -> Path:
        """What is printed by a command that is gpuqd's own: it then stands for the driver's log."""
        return self.control / "driver.log"

    @property
    def reports(self) -> Path:
        """What the driver says."""
        return self.folder / "reports.jsonl"

    @property
    def checkpoints(self) -> Path:
        """What the job's attempts leave to each other."""
        return self.job / "checkpoints"

    @property
    def events(self) -> Path:
        """Event files, a folder for each rank."""
        return self.folder / "events"

    def carried_to(self) -> str | None:
        """Return the address that the job's files are carried to, as it was when the attempt began; None if they stay.

        In it are `checkpoints`, and a folder for each attempt with `events` and `logs` like those here.
        """
        try:
            return (self.control / "log-uri").read_text().strip() or None
        except OSError:
            return None

    def log(self, rank: int | None) -> tuple[str, ...]:
        """Return where in the folder the log of a rank is, or of the driver for None."""
        return ("driver.log",) if rank is None else ("logs", f"rank-{rank}.log")

    def streams(self, rank: int) -> tuple[str, ...]:
        """Return where in the folder it stands which stretches of a rank's log came from which stream."""
        return ("logs", f"rank-{rank}.streams")


def place_of(config: Config, job_id: int, number: int, token: str = "") -> Place:
    """Return where the attempt's files are, whether they exist or not."""
    job = config.jobs / str(job_id)
    return Place(
        job=job,
        folder=job / str(number),
        scratch=config.scratch / token,
        control=config.state / "attempts" / str(job_id) / str(number),
    )
