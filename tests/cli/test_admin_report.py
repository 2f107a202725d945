"""The report for whoever runs a cluster: sums that add up, how full it was, who waited and what was for nothing."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gpuq.chart import ChartOptions
from gpuq.cli import main
from gpuq.cli.views.admin_report import busy_by_day, busy_part, by_day, in_all, report_lines
from tests.support.daemon import plain_gpuqd

DAY = 86_400.0


def a_row(key: list[str], period: str | None = None, gpu_s: float = 0.0, **named: Any) -> dict[str, Any]:
    """Return a row of use, as `/v1/usage` tells it."""
    waits = dict.fromkeys(("started", "wait_p50_s", "wait_p95_s", "wait_longest_s"))
    return {
        "key": key, "period": period, "gpu_s": gpu_s, "failed_gpu_s": 0.0, "lost_gpu_s": 0.0, "jobs": 1,
        **waits, **named,
    }  # fmt: skip


def used(*rows: dict[str, Any], days: float = 2) -> dict[str, Any]:
    return {"since": 0.0, "until": days * DAY - 1, "by": ["user"], "rows": list(rows)}


DAILY = used(
    a_row(["ann"], "1970-01-01", DAY), a_row(["ann"], "1970-01-02", DAY), a_row(["bob"], "1970-01-02", 3 * DAY)
)
WAITED = used(a_row(["ann"], started=2, wait_p50_s=10.0), a_row(["eve"], started=1, wait_p50_s=20.0, jobs=0))


def test_what_was_used_a_day_adds_up_with_who_only_waited() -> None:
    total = in_all(DAILY, WAITED)

    assert [(row["key"], row["gpu_s"] / DAY, row["started"]) for row in total["rows"]] == [
        (["bob"], 3.0, None), (["ann"], 2.0, 2), (["eve"], 0.0, 1),
    ]  # fmt: skip
    assert [(row["period"], row["gpu_s"] / DAY) for row in by_day(DAILY)["rows"]] == [
        ("1970-01-01", 1.0), ("1970-01-02", 4.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("now", "busy"), [(3 * DAY, [1.0, 4.0]), (1.5 * DAY, [1.0, 8.0])])
def test_a_day_that_is_not_over_counts_as_far_as_it_has_come(now: float, busy: list[float]) -> None:
    days = by_day(DAILY)

    assert [gpus for _, gpus in busy_by_day(days, now)] == busy
    assert busy_part(days, 10, now) == pytest.approx(sum(busy) / 2 / 10)
    assert busy_part(days, 0, now) is None


def test_it_is_told_with_a_chart_waits_and_waste() -> None:
    total, days = in_all(DAILY, WAITED), by_day(DAILY)
    waste = {
        "user": "bob", "account": "a", "held_gpu_s": 7200.0, "failed_gpu_s": 3600.0, "idle_gpu_s": 0.0,
        "restarts_gpu_s": 0.0,
    }  # fmt: skip
    periods = used(a_row([], "1970-01-01", started=3, wait_p50_s=10.0, wait_p95_s=60.0, wait_longest_s=61.0))

    lines = report_lines(
        total, days, periods, {"wasted": [waste]}, gpus=8, options=ChartOptions(is_ascii=True), width=80, now=3 * DAY
    )

    text = "\n".join(lines)
    assert "Busy: 31.2% of the 8 GPUs that are there now." in text
    assert "GPUs busy on average, each day" in text
    assert "1970-01-01     3  00:00:10  00:01:00  00:01:01" in text
    assert "bob          a           1.0       0.0       0.0       2.0" in text
    assert text.isascii()
    assert all(len(line) <= 80 for line in lines)


def test_it_is_asked_of_a_gpuqd_and_written_as_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with plain_gpuqd() as gpuqd:
        monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
        gpuqd.ended(gpuqd.enqueue("def main_fun(args, ctx):\n    pass\n"))

        assert main(["admin", "report", "--by", "user"]) == 0
        assert "Busy:" in capfd.readouterr().out
        assert main(["admin", "report", "--json"]) == 0
        told = json.loads(capfd.readouterr().out)
        assert told["total"]["rows"][0]["jobs"] == 1
        assert told["periods"]["rows"][0]["started"] == 1
        assert main(["admin", "report", "--csv"]) == 0
        header, row = capfd.readouterr().out.splitlines()
        assert header.startswith("account,user,period,gpu_h")
        assert row.startswith("root,")
        assert main(["admin", "report", "--parquet", str(tmp_path / "x.parquet")]) == 0

    parquet: Any = import_module("pyarrow.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names[:3] == ["period", "account", "user"]
    assert table.num_rows == 1
    assert table["jobs"].to_pylist() == [1]
