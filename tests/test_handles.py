"""What people have in hand, by its shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.handles import Handle, Kind, job_in_path, readings

_HEX = "ab" * 32
_UID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", Handle(kind=Kind.JOB, name="12")),
        ("12_3", Handle(kind=Kind.JOB, name="12_3")),
        ("app-20261123140201-0007", Handle(kind=Kind.APPLICATION, name="app-20261123140201-0007")),
        ("app-20261123140201-0007/3", Handle(kind=Kind.EXECUTOR, name="3", place="app-20261123140201-0007")),
        ("application_17_42", Handle(kind=Kind.APPLICATION, name="application_17_42")),
        (
            "container_e17_17_42_01_000003",
            Handle(kind=Kind.YARN_CONTAINER, name="container_e17_17_42_01_000003", place="application_17_42"),
        ),
        (f"spark-{'0f' * 16}", Handle(kind=Kind.APPLICATION, name=f"spark-{'0f' * 16}")),
        ("node7:4711", Handle(kind=Kind.PROCESS, name="4711", place="node7")),
        ("gpu:node7/3", Handle(kind=Kind.GPU, name="3", place="node7")),
        ("GPU-5f0c1a2b-0000-1111", Handle(kind=Kind.GPU, name="GPU-5f0c1a2b-0000-1111")),
        ("prod/train-7f9c-exec-1", Handle(kind=Kind.POD, name="train-7f9c-exec-1", place="prod")),
        ("train-7f9c-exec-1", Handle(kind=Kind.POD, name="train-7f9c-exec-1")),
        (_UID, Handle(kind=Kind.POD, name=_UID, place="uid")),
        ("node7", Handle(kind=Kind.POD, name="node7")),
        ("My_job", Handle(kind=Kind.NODE, name="My_job")),
        ("[::1]:4711", Handle(kind=Kind.PROCESS, name="4711", place="::1")),
        ("virtual3", Handle(kind=Kind.GPU, name="virtual3")),
        ("3_[0-4,7%2]", Handle(kind=Kind.ARRAY, name="3")),
        ("0f0f0f0f0f0f", Handle(kind=Kind.CONTAINER, name="0f0f0f0f0f0f")),
        (f"containerd://{_HEX}", Handle(kind=Kind.CONTAINER, name=_HEX)),
        (_HEX, Handle(kind=Kind.CONTAINER, name=_HEX)),
        ("/var/lib/gpuq/jobs/12/1/logs", Handle(kind=Kind.PATH, name="/var/lib/gpuq/jobs/12/1/logs")),
        ("hdfs://nn/gpuq/12/checkpoints", Handle(kind=Kind.PATH, name="hdfs://nn/gpuq/12/checkpoints")),
    ],
)  # fmt: skip
def test_a_handle_is_known_by_its_shape(text: str, expected: Handle) -> None:
    assert readings(text)[0] == expected


@pytest.mark.parametrize("text", ["", " ", "a b", "node7:", ":12", "gpu:/3", "a/b/c", "UPPER/x", "x" * 300])
def test_what_has_no_shape_is_nothing(text: str) -> None:
    assert readings(text) == []


def test_a_path_leads_to_its_job_only_below_the_roots_and_by_whole_names() -> None:
    roots = ("/var/lib/gpuq/jobs", "hdfs://nn/gpuq/")

    assert job_in_path("/var/lib/gpuq/jobs/12/2/logs/rank-0.log", roots) == (12, 2)
    assert job_in_path("/var/lib/gpuq/jobs/12", roots) == (12, None)
    assert job_in_path("hdfs://nn/gpuq/7/checkpoints", roots) == (7, None)
    assert job_in_path("/var/lib/gpuq/jobs/12x/2", roots) is None
    assert job_in_path("/var/lib/gpuq/jobs-old/12", roots) is None
    assert job_in_path("/elsewhere/12/1", roots) is None


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for handle in readings(text):
        assert handle.name
