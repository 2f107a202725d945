"""The stream of changes, over a real socket from a real gpuqd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gpuq.errors import UnavailableError, UsageError
from gpuq.stream import Stream
from tests.support.asking import got
from tests.support.daemon import Gpuqd, plain_gpuqd, until

_QUICK = "def main_fun(args, ctx):\n    pass\n"
_LONG = "def main_fun(args, ctx):\n    import time\n    time.sleep(60)\n"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Gpuqd]:
    with plain_gpuqd() as running:
        yield running


Heard = tuple[str | None, str, Any]  # id, event, data


def events(stream: Stream) -> Iterator[Heard]:
    """Yield what comes until gpuqd ends the stream."""
    try:
        for kind, data in stream:
            yield stream.last, kind, data
    except UnavailableError:
        return


def _has(data: Any, fields: dict[str, object]) -> bool:
    return all(data[name] == value for name, value in fields.items() if name in data) and fields.keys() <= set(data)


def first(stream: Stream, event: str, **fields: object) -> Any:
    """Return the data of the first event of this kind with these fields; "" is a sign of life."""
    silence = 0
    for _, kind, data in events(stream):
        silence += kind == ""
        assert silence < 3, f"neither {event} {fields} nor anything else comes"
        if kind == event and (not fields or _has(data, fields)):
            return data
    raise AssertionError(f"the stream ended without {event} {fields}")


def test_a_jobs_whole_life_is_told_by_what_changes(daemon: Gpuqd) -> None:
    with daemon.client.stream() as stream:
        first(stream, "ready")
        job_id = daemon.enqueue(_QUICK)
        whole = first(stream, "job", id=job_id)
        assert whole["script_name"] == "job.py", "of a job not told of before, everything is"
        last = first(stream, "job", id=job_id, state="COMPLETED")
        assert last["exit_code"] == 0
        assert "script_name" not in last


def test_nodes_are_told_as_they_fill(daemon: Gpuqd) -> None:
    with daemon.client.stream() as stream:
        first(stream, "ready")
        job_id = daemon.enqueue(_LONG)
        node = first(stream, "node", job_ids=[job_id])
        assert node["free_gpus"] == 0
        daemon.client.cancel(job_id)
        first(stream, "node", name=node["name"], free_gpus=1)


def test_a_stream_goes_on_where_it_was(daemon: Gpuqd) -> None:
    with daemon.client.stream() as stream:
        first(stream, "ready")
        last = stream.last
        job_id = daemon.enqueue(_QUICK)
        daemon.ended(job_id)
        heard = list[Heard]()
        for number, kind, data in events(stream):
            heard.append((number, kind, data))
            if kind == "job" and data.get("state") == "COMPLETED":
                break

    with daemon.client.stream(last=last) as again:
        # What comes together has its last id by the time that the first of it is read.
        assert [found[1:] for found, _ in zip(events(again), heard, strict=False)] == [one[1:] for one in heard]


@pytest.mark.parametrize("last", ["0123abcd-4", "nonsense", "-", "0-99999999999999999"])
def test_a_stream_that_cannot_go_on_begins_anew(daemon: Gpuqd, last: str) -> None:
    job_id = daemon.enqueue(_LONG)
    with daemon.client.stream(last=last) as stream:
        heard = events(stream)
        reset = next(heard)[2]
        assert f"{reset['epoch']}-{reset['number']}" == daemon.client.job_list()["seq"]
        assert [next(heard)[1] for _ in range(4)] == ["cluster", "gpus", "jobs", "ready"]
    daemon.client.cancel(job_id)
    daemon.ended(job_id)


def _begins_with(stream: Stream) -> tuple[dict[int, Any], int]:
    """Return the rows that a stream begins with, by id, and how many of them came in tables."""
    rows, in_tables = dict[int, Any](), 0
    for _, kind, data in events(stream):
        match kind:
            case "jobs":
                rows |= {row["id"]: row for row in data["jobs"]}
            case "table":
                columns = data["columns"]
                found = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
                rows |= {row["id"]: row for row in ({**data["same"], **one} for one in found or [{}])}
                in_tables += len(found) or 1
            case "ready":
                break
            case _:
                pass
    return rows, in_tables


def test_a_table_has_the_rows_of_jobs_that_have_never_begun(daemon: Gpuqd) -> None:
    runs = daemon.enqueue(_LONG)
    daemon.reaches(runs, "RUNNING")
    first = daemon.enqueue(_QUICK, hold=True, name="fïrst", args=["--lr", "0.1"], evaluator=True, time_limit_s=60)
    array = daemon.enqueue(_QUICK, hold=True, sweep="lr=1,2", retries=2, nice=5)
    changed = daemon.enqueue(_QUICK, hold=True)
    daemon.client.update(changed, {"name": "changed", "workers": 2})

    with daemon.client.stream() as stream:
        rows, _ = _begins_with(stream)
    with daemon.client.stream(table=True) as stream:
        told, in_tables = _begins_with(stream)

    for job_id in (runs, changed, first, array):
        daemon.client.cancel(job_id)
    daemon.ended(runs)
    times = {"charged_gpu_s", "p50_at", "p90_at"}  # move with the clock
    assert in_tables >= 4
    assert {number: {n: v for n, v in row.items() if n not in times} for number, row in told.items()} == {
        number: {n: v for n, v in row.items() if n not in times} for number, row in rows.items()
    }
    assert all(row.keys() == rows[number].keys() for number, row in told.items())


def test_a_stream_of_one_job_has_nothing_of_others_but_signs_of_life(daemon: Gpuqd) -> None:
    mine, other = daemon.enqueue(_LONG), daemon.enqueue(_QUICK)
    daemon.ended(other)
    daemon.reaches(mine, "RUNNING")
    with daemon.client.stream(job_ids=[mine], heartbeat_s=1) as stream:
        ready = first(stream, "ready")
        assert ready == {"jobs": 1}
        daemon.ended(daemon.enqueue(_QUICK))
        first(stream, "")
        daemon.client.cancel(mine)
        for _, kind, data in events(stream):
            assert kind in ("job", "")
            assert data is None or data["id"] == mine
            if data is not None and data.get("state") == "CANCELLED":
                break


def test_a_stream_of_a_user_without_jobs_has_none(daemon: Gpuqd) -> None:
    with daemon.client.stream(user="nobody-here") as stream:
        ready = first(stream, "ready")
        assert ready == {"jobs": 0}


def test_a_list_since_has_only_what_changed_and_what_left(daemon: Gpuqd) -> None:
    stays, goes = daemon.enqueue(_LONG), daemon.enqueue(_LONG)
    daemon.reaches(goes, "RUNNING")
    daemon.reaches(stays, "RUNNING")
    whole = daemon.client.job_list(since=daemon.client.job_list()["seq"])

    daemon.client.cancel(goes)
    daemon.ended(goes)
    waits = daemon.enqueue(_QUICK, hold=True)
    array = daemon.enqueue(_QUICK, hold=True, array="0-1")
    changed = daemon.client.job_list(since=whole["seq"])
    of_array = daemon.client.job_list(since=whole["seq"], array=array)

    assert {job["id"] for job in whole["jobs"]} >= {stays, goes}
    assert not changed["is_whole"]
    assert changed["removed"] == [goes]
    assert [job["id"] for job in changed["jobs"]] == [waits, array, array + 1]
    assert [job["id"] for job in of_array["jobs"]] == [array, array + 1]
    nothing = daemon.client.job_list(since=changed["seq"])
    assert (nothing["jobs"], nothing["removed"], nothing["seq"]) == ([], [], changed["seq"])
    assert daemon.client.job_list(since="0-0")["is_whole"]
    for job_id in (stays, waits, array):
        daemon.client.cancel(job_id)
        daemon.ended(job_id)


def test_pages_hold_every_job_once_whatever_changes_meanwhile(daemon: Gpuqd) -> None:
    before = [daemon.enqueue(_QUICK, hold=True) for _ in range(5)]
    first = daemon.client.job_list(limit=2)
    daemon.client.cancel(before[0])
    late = daemon.enqueue(_QUICK, hold=True)
    seen, cursor = [job["id"] for job in first["jobs"]], first["next_cursor"]
    while cursor is not None:
        page = daemon.client.job_list(limit=2, cursor=cursor)
        assert len(page["jobs"]) <= 2
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert seen == [*before, late]
    for job_id in seen:
        daemon.client.cancel(job_id)


@pytest.mark.parametrize("cursor", ["x", "1", "1:x", "1:-1", f"inf:{10**20}"])
def test_a_place_in_the_history_that_is_none_is_refused(daemon: Gpuqd, cursor: str) -> None:
    with pytest.raises(UsageError, match="begin without one"):
        daemon.client.history(cursor=cursor)


def test_a_client_that_does_not_read_holds_nothing_up_and_begins_anew(daemon: Gpuqd) -> None:
    text = "x" * 4000
    with daemon.client.stream() as slow:
        first(slow, "ready")
        held = [daemon.enqueue(_QUICK, hold=True, args=[text] * 8) for _ in range(200)]  # 6 MB: more than is kept
        daemon.client.job_list(since=daemon.client.job_list()["seq"])
        reset = first(slow, "reset")
        assert reset["why"] == "behind"
        first(slow, "ready", jobs=200)
    for job_id in held:
        daemon.client.cancel(job_id)


def test_streams_end_with_the_daemon_and_another_epoch_begins_anew() -> None:
    with plain_gpuqd() as daemon:
        with daemon.client.stream() as stream:
            first(stream, "ready")
            last = stream.last
            assert daemon.stop() == 0
            assert [kind for _, kind, _ in events(stream)] == []
        daemon.start()
        with daemon.client.stream(last=last) as again:
            assert next(events(again))[1] == "reset"


def test_a_stream_that_is_left_is_forgotten(daemon: Gpuqd) -> None:
    for _ in range(3):
        with daemon.client.stream() as stream:
            first(stream, "ready")
    until(lambda: "gpuq_event_streams 0\n" in got(daemon, "/metrics")[1], timeout_s=10, what="no stream")
