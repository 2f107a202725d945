"""A training whose points say that it has gone wrong is shown to have, and is ended where its owner wants that."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from gpuq.cli import main
from tests.eventfile.event_bytes import a_file, a_scalar
from tests.support.daemon import Gpuqd, plain_gpuqd, until

_WRITES = """
import os, time
def main_fun(args, ctx):
    with open(os.path.join(os.environ["GPUQ_LOG_DIR"], "events.out.tfevents.1"), "wb") as file:
        file.write({data!r})
    while {is_endless}: time.sleep(0.05)
"""


def a_script(*, is_endless: bool) -> str:
    """Return a script whose loss is NaN at step 3, and whose file is damaged."""
    good, bad = a_file(a_scalar("loss", 1, 2.0), a_scalar("loss", 2, 1.0)), a_file(a_scalar("loss", 2, 1.0))
    data = good + bad[:-6] + b"\x00\x00" + bad[-4:] + a_file(a_scalar("loss", 3, math.nan))
    return _WRITES.format(data=data, is_endless=is_endless)


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def test_a_loss_that_is_nan_is_shown_everywhere(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
    job_id = gpuqd.enqueue(a_script(is_endless=True))
    until(lambda: bool(gpuqd.client.job(job_id)["signals"]), timeout_s=15, what="a signal")

    main(["queue"])
    main(["show", str(job_id)])
    main(["events", str(job_id)])
    said = capfd.readouterr().out
    job = gpuqd.client.job(job_id)
    gpuqd.client.cancel(job_id)

    assert "! loss is NaN at step 3" in said
    assert "Signals      loss is NaN at step 3" in said
    assert "1 record of its event files lost to damage" in said
    assert [signal["kind"] for signal in job["signals"]] == ["nan"]
    assert gpuqd.ended(job_id)["signals"] == job["signals"]


def test_a_job_is_ended_on_what_its_owner_named_and_says_why(gpuqd: Gpuqd) -> None:
    stopped = gpuqd.ended(gpuqd.enqueue(a_script(is_endless=True), stop_on="exploded,nan"))
    other = gpuqd.ended(gpuqd.enqueue(a_script(is_endless=False), stop_on="slow-rank"))

    assert (stopped["state"], stopped["error"]) == ("CANCELLED", "stopped: loss is NaN at step 3")
    assert (other["state"], other["error"]) == ("COMPLETED", None)


def test_a_signal_that_does_not_exist_is_refused(gpuqd: Gpuqd) -> None:
    with pytest.raises(Exception, match="cannot be stopped on 'bad': there is nan, exploded, no-progress, slow-rank"):
        gpuqd.enqueue("def main_fun(args, ctx): pass\n", stop_on="nan,bad")
