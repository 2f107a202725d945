"""How often may be asked: by a user, and by an address that shows no token."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.gate import PEER, Gate
from gpuq_daemon.api.rates import Rates
from gpuq_daemon.clock import WallClock
from gpuq_daemon.config import Config
from gpuq_daemon.partitions import EmbeddedPartition
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.tokens import TokenStore


@given(
    st.floats(0.1, 1000),
    st.integers(1, 100),
    st.lists(st.floats(0, 10), max_size=200),
)
def test_in_any_span_no_more_than_the_burst_and_what_has_come_since_is_let_through(
    per_s: float, burst: int, pauses: list[float]
) -> None:
    rates, now, passed = Rates(), 0.0, 0
    for pause in pauses:
        now += pause
        wait = rates.wait_s("ann", per_s=per_s, burst=burst, now=now)
        passed += not wait
        assert rates.wait_s("bob", per_s=1e9, burst=1000, now=now) == 0, "another's bucket"
        if wait:
            assert rates.wait_s("ann", per_s=per_s, burst=burst, now=now + wait * 1.001) == 0
            now, passed = now + wait * 1.001, passed + 1

    assert passed <= burst + now * per_s + 1e-6


class Strange:
    """Asks a gate over TCP with a wrong token, at a time of its own."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self._database = Database(folder / "state.db", "state")
        config = Config(state_dir=str(folder), partition={"a": EmbeddedPartition()})
        desk = SimpleNamespace(tokens=TokenStore(self._database), clock=WallClock(), config=config)
        self._gate = Gate(self._nobody, cast(Desk, desk), monotonic=lambda: self.now)

    def ask(self, address: str, path: str = "/v1/jobs") -> tuple[int, dict[str, str], Any]:
        """Return status, headers and the body."""
        peer = {"address": address, "authorization": "Bearer gpuq_1_" + "x" * 43}
        scope = {"type": "http", "method": "GET", "path": path, "extensions": {PEER: peer}}
        sent = list[Any]()

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self._gate(scope, cast(Any, None), send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, json.loads(sent[1]["body"])

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    async def _nobody(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody gets here without a token")


def test_an_address_that_guesses_tokens_is_slowed_down_and_no_other(tmp_path: Path) -> None:
    strange = Strange(tmp_path)
    try:
        first = [strange.ask("10.0.0.1:1000")[0] for _ in range(50)]
        status, headers, said = strange.ask("10.0.0.1:2000")
        other = strange.ask("10.0.0.2:1000")[0]
        strange.now += 1.0
        later = [strange.ask("10.0.0.1:3000")[0] for _ in range(6)]
    finally:
        strange.close()

    assert set(first) == {401}
    assert (status, headers["retry-after"], said["status"]) == (429, "1", 429)
    assert "try again in 1 s" in said["detail"]
    assert other == 401
    assert later == [401] * 5 + [429]


@pytest.mark.parametrize("path", ["/v1/jobs", "/metrics", "/readyz", "/healthz/", "/v1/openapi.json"])
def test_nothing_but_healthz_is_told_without_a_token(tmp_path: Path, path: str) -> None:
    strange = Strange(tmp_path)
    try:
        status, headers, _ = strange.ask("10.0.0.1:1000", path)
    finally:
        strange.close()

    assert (status, headers["www-authenticate"]) == (401, "Bearer")
