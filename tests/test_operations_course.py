"""What operators do with a gpuqd that runs: look at it, reload it, stop it."""

from __future__ import annotations

from typing import Any

from gpuq.client_admin import AdminClient
from tests.support.daemon import plain_gpuqd
from tests.support.values import MAIN_FUN


def counts(spreads: list[dict[str, Any]]) -> dict[str, int]:
    return {one["name"]: one["count"] for one in spreads}


def test_diag_counts_what_a_job_causes_and_begins_anew_when_asked() -> None:
    with plain_gpuqd() as gpuqd:
        admin = AdminClient(gpuqd.client.path)
        gpuqd.ended(gpuqd.enqueue(MAIN_FUN))

        diag = admin.reset_diag()
        after = admin.diag()

        assert counts([route["spread"] for route in diag["routes"]])["POST /v1/jobs"] == 1
        assert counts(diag["passes"])["start"] == 1
        assert counts(diag["commits"])["state.db"] >= 4
        assert 0 < diag["queries"][0]["p50_s"] <= diag["queries"][0]["max_s"] < 5
        assert diag["engines"] == [{"partition": "plain", "nodes": 2, "wrong": None}]
        assert (diag["in_flight"], diag["pending"], diag["active"]) == (1, 0, 0)
        assert after["since"] > diag["since"] == diag["started_at"] == after["started_at"]
        assert counts([route["spread"] for route in after["routes"]]) == {"DELETE /v1/diag": 1}
        assert after["writes"] == diag["writes"] > 0
