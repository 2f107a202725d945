"""What a running job uses is told everywhere: as curves, in the queue, as a map of the GPUs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest

from gpuq.cli import main
from tests.support.asking import got
from tests.support.daemon import Gpuqd, plain_gpuqd, until

_SLEEPS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.05)\n"
_WORKS = "def main_fun(args, ctx):\n    while True: sum(range(10_000))\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd(more="sample_every_s = 0.2\nidle_after_s = 4") as daemon:
        yield daemon


def counted(gpuqd: Gpuqd, job_id: int) -> int:
    return sum(one["count"] for one in gpuqd.client.series(job_id) if one["tag"] == "cpu/util")


def said(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    main(list(words))
    return capfd.readouterr().out


def test_a_gpu_that_is_held_and_not_used_is_told_everywhere(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
    job_id = gpuqd.enqueue(_SLEEPS)
    until(lambda: bool(gpuqd.client.job(job_id)["signals"]), timeout_s=30, what="a signal")

    whole = gpuqd.client.job(job_id)
    cell, other = gpuqd.client.gpus()
    shown = {word: said(capfd, word, str(job_id)) for word in ("show", "why")}
    queue, table, wrong = said(capfd, "queue"), said(capfd, "gpus"), said(capfd, "gpus", "--wrong")
    metrics = got(gpuqd, "/metrics")[1]
    gpuqd.client.cancel(job_id)

    assert [(one["kind"], one["rank"], one["tag"]) for one in whole["signals"]] == [("idle", 0, "cpu/util")]
    assert whole["progress"] is None
    text = "rank 0 holds a virtual GPU and does nothing since "
    assert "Rank 0 holds a virtual GPU and does nothing since " in shown["why"]
    assert text in shown["show"]
    assert text in queue
    assert (cell["state"], cell["job_id"], other["state"]) == ("idle", job_id, "free")
    assert cell["idle_s"] >= 4
    assert "not used for 00:00:0" in wrong
    assert len(wrong.splitlines()) == 2
    assert len(table.splitlines()) == 3
    assert 'gpuq_gpu_states{partition="plain",state="idle"} 1' in metrics
    assert gpuqd.ended(job_id)["signals"] == []
    assert [gpu["state"] for gpu in gpuqd.client.gpus()] == ["free", "free"]


def test_what_a_rank_uses_is_a_curve_and_no_progress(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
    job_id = gpuqd.enqueue(_WORKS)
    until(lambda: counted(gpuqd, job_id) > 2, timeout_s=30, what="points")

    curve, plot = gpuqd.client.curve(job_id, "cpu/util"), said(capfd, "plot", str(job_id), "cpu/util")
    job = gpuqd.client.job(job_id)
    gpuqd.client.cancel(job_id)

    assert {one["tag"] for one in gpuqd.client.series(job_id)} == {"cpu/util", "cpu/memory_mib"}
    assert max(curve["high"]) > 0
    assert "cpu/util: last" in plot
    assert (job["progress"], job["signals"]) == (None, [])
    gpuqd.ended(job_id)


def test_what_gpuq_samples_is_not_taken_for_what_a_script_writes(
    gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
    job_id = gpuqd.enqueue(_WORKS)
    until(lambda: counted(gpuqd, job_id) > 2, timeout_s=30, what="points")

    plot, compare = main(["plot", str(job_id)]), main(["compare", str(job_id), str(job_id)])
    refused = capfd.readouterr().err
    report = said(capfd, "report", str(job_id), "--ascii")
    files = gpuqd.client.event_files(job_id)["files"]
    gpuqd.client.cancel(job_id)

    assert (plot, compare, files) == (3, 3, [])
    assert f"Job {job_id} runs, and has not begun an event file" in refused
    assert f"Job {job_id} has written no curve there yet" in refused
    assert "cpu/util" in report
    gpuqd.ended(job_id)


def test_samples_are_kept_once_over_a_restart(gpuqd: Gpuqd) -> None:
    job_id = gpuqd.enqueue(_WORKS)
    until(lambda: counted(gpuqd, job_id) > 3, timeout_s=30, what="points")
    gpuqd.kill()
    gpuqd.start()
    before = counted(gpuqd, job_id)
    until(lambda: counted(gpuqd, job_id) > before + 3, timeout_s=30, what="more points")
    gpuqd.client.cancel(job_id)
    gpuqd.ended(job_id)
    table = b"".join(gpuqd.client.points(job_id, tag="cpu/util", format="csv")).decode()
    times = [row["wall_time"] for row in csv.DictReader(io.StringIO(table))]
    told = [json.loads(line) for line in (gpuqd.folder / f"jobs/{job_id}/1/samples.jsonl").read_text().splitlines()]

    assert len(times) > before
    assert len(set(times)) == len(times)
    assert [float(at) for at in times] == [one["t"] for one in told[: len(times)]]


def test_a_job_is_ended_for_holding_a_gpu_that_it_does_not_use_where_it_asked_for_that(gpuqd: Gpuqd) -> None:
    job = gpuqd.ended(gpuqd.enqueue(_SLEEPS, stop_on="idle"), timeout_s=30)

    assert job["state"] == "CANCELLED"
    assert job["error"].startswith("stopped: rank 0 holds a virtual GPU and does nothing since ")


def test_a_job_that_tells_of_the_far_future_is_not_believed(gpuqd: Gpuqd) -> None:
    job_id = gpuqd.enqueue(_WORKS)
    until(lambda: counted(gpuqd, job_id) > 0, timeout_s=30, what="points")
    lie = {"t": 1e11, "rank": 0, "cpu": 77_777.0, "memory_mib": 1, "idle_s": 1e9}
    with (gpuqd.folder / f"jobs/{job_id}/1/samples.jsonl").open("a") as file:
        file.write(json.dumps(lie) + "\n")
    before = counted(gpuqd, job_id)
    until(lambda: counted(gpuqd, job_id) > before + 3, timeout_s=30, what="more points")

    curve, job, cell = gpuqd.client.curve(job_id, "cpu/util"), gpuqd.client.job(job_id), gpuqd.client.gpus()[0]
    gpuqd.client.cancel(job_id)
    gpuqd.ended(job_id)

    assert max(curve["high"]) < 77_777
    assert (job["signals"], cell["state"]) == ([], "busy")
