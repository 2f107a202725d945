"""What is known of pods: the same from a watch that lost, doubled and mixed up its events as from a clean list."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.kubernetes.mirror import Change, Mirror, PodEvent, PodSight, sight
from gpuq_daemon.kubernetes.objects import Pod

RECORDED = Path(__file__).parents[1] / "data" / "kubernetes" / "cluster-run2-watch.jsonl"
JOB = "gpuq.io/job-id"


def is_ours(pod: Pod) -> bool:
    return pod.metadata.label(JOB) is not None


def recorded() -> list[tuple[str, Pod]]:
    events = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    return [(e["type"], msgspec.convert(e["object"], Pod)) for e in events if e["type"] != "BOOKMARK"]


def at_the_end(events: list[tuple[str, Pod]]) -> dict[str, Pod]:
    there: dict[str, Pod] = {}
    for kind, pod in events:
        there[pod.metadata.uid] = pod
        if kind == "DELETED":
            del there[pod.metadata.uid]
    return there


def told_so_far(events: list[PodEvent]) -> dict[str, PodSight]:
    """Return what whoever took in all events believes there is."""
    there: dict[str, PodSight] = {}
    for event in events:
        if event.change is Change.GONE:
            del there[event.pod.uid]
        else:
            assert (event.pod.uid in there) == (event.change is Change.CHANGED)
            there[event.pod.uid] = event.pod
    return there


EVENTS = recorded()


@given(data=st.data(), until=st.integers(0, len(EVENTS)))
def test_whatever_a_watch_does_a_list_makes_the_end_right(data: st.DataObject, until: int) -> None:
    happened = EVENTS[:until]
    version = happened[-1][1].metadata.resource_version if happened else "1"
    mirror = Mirror(is_ours)
    kept = [event for event in happened if data.draw(st.integers(0, 9)) > 2]
    doubled = [event for event in kept for _ in range(data.draw(st.integers(1, 2)))]
    told = [event for kind, pod in data.draw(st.permutations(doubled)) for event in mirror.told(kind, pod)]
    late = data.draw(st.permutations(kept))

    told += mirror.listed(at_the_end(happened).values(), version)
    told += [event for kind, pod in late for event in mirror.told(kind, pod)]  # delayed till after the list

    true = {uid: sight(pod) for uid, pod in at_the_end(happened).items()}
    assert told_so_far(told) == true
    assert {pod.uid: pod for pod in mirror.pods} == true


def test_a_watch_without_faults_tells_each_change_once() -> None:
    mirror = Mirror(is_ours)

    told = [event for kind, pod in EVENTS for event in mirror.told(kind, pod)]

    assert told_so_far(told) == {}
    assert [event.change for event in told].count(Change.SEEN) == 6
    assert [event.change for event in told].count(Change.GONE) == 6


def test_an_executor_without_labels_belongs_to_its_driver_and_others_leave_no_trace() -> None:
    driver = next(pod for _, pod in EVENTS if pod.metadata.label("spark-role") == "driver")
    executor = next(pod for _, pod in EVENTS if pod.metadata.owner_references)
    bare = msgspec.structs.replace(executor.metadata, labels=None)
    stray = msgspec.structs.replace(bare, uid="x", name=driver.metadata.name + "-1", owner_references=())
    mirror = Mirror(is_ours)

    mirror.listed([Pod(metadata=stray), Pod(metadata=bare), driver], "1")

    assert {pod.uid for pod in mirror.pods} == {driver.metadata.uid, bare.uid}
