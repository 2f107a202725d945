"""What machines that watch gpuqd are told."""

from __future__ import annotations

import re

from gpuq_daemon.exposition import Exposition
from gpuq_daemon.vitals import Histogram
from tests.support.asking import got
from tests.support.daemon import plain_gpuqd

_SAMPLE = re.compile(r'([a-z_:]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? ([-+0-9.eInf]+)')
_WAITS = "def main_fun(args, ctx):\n    import time\n    time.sleep(60)\n"


def test_a_running_gpuqd_tells_its_measurements() -> None:
    with plain_gpuqd() as daemon:
        running, held = daemon.enqueue(_WAITS), daemon.enqueue(_WAITS, hold=True)
        daemon.reaches(running, "RUNNING")

        assert got(daemon, "/healthz")[:2] == (200, '{"status":"ok"}')
        assert got(daemon, "/readyz")[:2] == (200, '{"status":"ok"}')
        status, text, kind = got(daemon, "/metrics")

        assert (status, kind) == (200, "text/plain")
        samples = [_SAMPLE.fullmatch(line) for line in text.splitlines() if not line.startswith("#")]
        assert None not in samples
        found = {f"{m[1]}{m[2] or ''}": float(m[3]) for m in samples if m is not None}
        assert found['gpuq_jobs{partition="plain",state="RUNNING"}'] == 1
        assert found['gpuq_jobs{partition="plain",state="PENDING"}'] == 1
        assert found["gpuq_queue_depth"] == 1
        assert found['gpuq_gpus{partition="plain"}'] == 2
        assert found['gpuq_gpus_used{partition="plain"}'] == 1
        assert found['gpuq_commit_seconds_count{database="state.db"}'] > 0
        assert found['gpuq_request_seconds_bucket{route="POST /v1/jobs",le="+Inf"}'] == 2
        assert found['gpuq_scheduler_pass_seconds_count{part="plan"}'] > 0
        assert found["process_resident_memory_bytes"] > 1e6
        for name in {key.partition("{")[0] for key in found}:
            family = re.sub("_(bucket|sum|count)$", "", name) if "_seconds_" in name else name
            assert f"# TYPE {family} " in text or f"# TYPE {name} " in text
        daemon.client.cancel(held)


def test_text_in_a_label_cannot_end_it() -> None:
    made = Exposition()
    made.gauge("up", "Up.", [({"name": 'a"b\\c\nd'}, 1)])
    assert made.text() == '# HELP up Up.\n# TYPE up gauge\nup{name="a\\"b\\\\c\\nd"} 1\n'


def test_buckets_count_everything_up_to_their_bound() -> None:
    histogram = Histogram()
    for seconds in (0.001, 0.1, 0.1, 100.0):
        histogram.record(seconds)
    made = Exposition()
    made.histogram("t_seconds", "T.", [({}, histogram)])
    lines = made.text().splitlines()
    assert 't_seconds_bucket{le="0.00390625"} 1' in lines
    assert 't_seconds_bucket{le="0.25"} 3' in lines
    assert 't_seconds_bucket{le="+Inf"} 4' in lines
    assert "t_seconds_count 4" in lines
