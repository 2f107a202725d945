"""The report for whoever runs a cluster: sums that add up, how full it was, who waited and what was for nothing."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gpuq.cli import main
from gpuq.cli.views.admin_report import bar, report_lines, utilisation_lines
from tests.support.daemon import plain_gpuqd, until

DAY = 86_400.0


def a_row(key: list[str], period: str | None = None, gpu_s: float = 0.0, **named: Any) -> dict[str, Any]:
    """Return a row of use, as `/v1/usage` tells it."""
    waits = dict.fromkeys(("started", "wait_p50_s", "wait_p95_s", "wait_longest_s"))
    return {
        "key": key, "period": period, "gpu_s": gpu_s, "failed_gpu_s": 0.0, "lost_gpu_s": 0.0, "jobs": 1,
        **waits, **named,
    }  # fmt: skip


def used(*rows: dict[str, Any], by: str = "user") -> dict[str, Any]:
    return {"since": 0.0, "until": 2 * DAY - 1, "by": [by], "rows": list(rows)}


def full(period: str, is_assumed: bool = False, **parts: float) -> dict[str, Any]:
    """Return a row of utilisation of eight GPUs, by what part of the day they were what."""
    names = ("allocated", "idle", "reserved", "planned", "down")
    times = {f"{name}_gpu_s": parts.get(name, 0.0) * 8 * DAY for name in names}
    return {"key": [], "period": period, "gpu_s": 8 * DAY, **times, "is_assumed": is_assumed}


def a_report() -> dict[str, Any]:
    waits: dict[str, Any] = {
        "started": 3,
        "wait_p50_s": 10.0,
        "wait_p90_s": 50.0,
        "wait_p99_s": 60.0,
        "wait_longest_s": 61.0,
    }
    return {
        "total": used(a_row(["ann"], None, 2 * DAY, started=2, wait_p50_s=10.0, wait_p95_s=60.0, wait_longest_s=61.0)),
        "utilisation": {
            "by": [], "recorded_since": 1.5 * DAY,
            "rows": [full("1970-01-01", True, allocated=0.5, idle=0.5), full("1970-01-02", planned=0.25, down=0.75)],
        },
        "periods": used(a_row([], "1970-01-01", **waits)),
        "gangs": used(a_row(["16"], **waits), a_row(["1"], **waits), a_row(["0"], **waits), by="gpus"),
        "wasted": [{
            "user": "bob", "account": "a", "held_gpu_s": 7200.0, "failed_gpu_s": 3600.0, "idle_gpu_s": 0.0,
            "restarts_gpu_s": 0.0,
        }],
    }  # fmt: skip


def test_it_tells_how_full_it_was_who_waited_and_what_was_for_nothing() -> None:
    lines = report_lines(a_report(), width=100, mark="~")

    text = "\n".join(lines)
    assert "1970-01-01 ~  192.0      50.0%  50.0%      0.0%     0.0%   0.0%  ############............." in text
    assert "1970-01-02    192.0       0.0%   0.0%      0.0%    25.0%  75.0%  ppppppddddddddddddddddddd" in text
    assert "all ~         384.0      25.0%  25.0%" in text
    assert "~ Nodes are recorded since 1970-01-02" in text
    assert "1970-01-01     3  00:00:10  00:00:50  00:01:00  00:01:01" in text
    sizes = [line.split()[0] for line in lines[lines.index("") :] if line.endswith("00:01:01")]
    assert sizes == ["1970-01-01", "not", "1", "16"]
    assert "bob          a           1.0       0.0       0.0       2.0" in text
    assert text.isascii()
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize("parts", [(0.0,) * 5, (1.0, 0.0, 0.0, 0.0, 0.0), (0.2,) * 5, (1.3, 0.0, 0.0, 0.1, 0.0)])
def test_a_bar_is_never_longer_than_a_whole(parts: tuple[float, ...]) -> None:
    assert len(bar(parts)) == (25 if sum(parts) else 0)


def test_nodes_that_were_never_seen_are_said_to_be() -> None:
    lines = utilisation_lines({"by": [], "recorded_since": None, "rows": []}, width=80)

    assert "not known" in lines[-1]


def test_it_is_asked_of_a_gpuqd_and_written_as_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with plain_gpuqd() as gpuqd:
        monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
        gpuqd.ended(gpuqd.enqueue("def main_fun(args, ctx):\n    pass\n"))

        assert main(["admin", "report", "--by", "user"]) == 0
        said = capfd.readouterr().out
        assert "UTILISATION" in said
        assert "GANG" in said
        assert main(["admin", "report", "--json"]) == 0
        told = json.loads(capfd.readouterr().out)
        assert told["total"]["rows"][0]["jobs"] == 1
        assert told["periods"]["rows"][0]["started"] == 1
        assert told["utilisation"]["rows"][0]["gpu_s"] > told["utilisation"]["rows"][0]["allocated_gpu_s"] > 0
        assert main(["admin", "report", "--utilisation", "--by", "partition", "--csv"]) == 0
        header, row = capfd.readouterr().out.splitlines()
        assert header.startswith("partition,period,gpu_h,allocated_gpu_h")
        assert row.startswith("plain,")
        assert main(["admin", "report", "--utilisation", "--parquet", str(tmp_path / "u.parquet")]) == 0
        assert main(["admin", "report", "--utilisation", "--by", "user"]) == 2
        assert main(["admin", "report", "--until", "2020-01-01"]) == 0
        assert "nothing was used" in capfd.readouterr().out
        assert main(["admin", "node", "drain", "plain-1", "--reason", "fan"]) == 0
        until(
            lambda: gpuqd.client.node_history(node="plain-1")["spans"][-1]["state"] == "drained",
            timeout_s=20,
            what="the drain on record",
        )
        capfd.readouterr()
        assert main(["admin", "node", "history"]) == 0
        assert "fan" in capfd.readouterr().out
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
    assert parquet.read_table(tmp_path / "u.parquet")["is_assumed"].to_pylist() == [False]
