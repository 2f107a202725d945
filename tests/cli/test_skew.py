"""A gpuq that meets a gpuqd of another version: one sentence that says which is older, and no traceback."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuq import __version__
from gpuq.cli.skew import explained, sentence
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, Problem, a_cluster, a_job, as_json

_ROW = as_json(a_job())


def answers_without(daemon: FakeDaemon, field: str, version: str) -> None:
    """Let it be a gpuqd that does not tell a field yet."""
    daemon.answers["GET /v1/cluster"] = replace(a_cluster(), version=version)
    row = {name: value for name, value in _ROW.items() if name != field}
    daemon.answers[f"GET /v1/jobs/{row['id']}"] = row


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (
            "0.0.9",
            f"gpuqd 0.0.9 is older than this gpuq {__version__} and does not tell `exit_code`: have gpuqd updated",
        ),
        ("99.0", f"gpuqd 99.0 is newer than this gpuq {__version__} and does not tell `exit_code`: update this gpuq"),
        (__version__, "is of an older build"),
    ],
)
def test_a_field_that_gpuqd_does_not_tell_is_one_sentence(
    daemon: FakeDaemon, gpuq: Gpuq, version: str, says: str
) -> None:
    answers_without(daemon, "exit_code", version)

    done = gpuq("show", str(_ROW["id"]))

    assert (done.code, done.out) == (5, "")
    assert says in done.err
    assert done.err.count("\n") == 1


def test_a_route_that_gpuqd_does_not_have_is_one_sentence(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/cluster"] = replace(a_cluster(), version="0.0.9")
    daemon.answers["GET /v1/queue"] = Problem(404, "Not Found")

    done = gpuq("queue")

    assert (done.code, "gpuqd 0.0.9 is older" in done.err) == (5, True)


def test_a_job_that_is_not_there_is_still_just_that(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs/7"] = Problem(404, "There is no job 7.")

    done = gpuq("show", "7")

    assert (done.code, done.err) == (3, "gpuq: There is no job 7.\n")
    assert not any(path == "/v1/cluster" for _, path, _, _ in daemon.asked)


def test_an_error_of_our_own_is_none_of_gpuqds() -> None:
    assert explained(KeyError("no such field anywhere")) is None


@pytest.mark.parametrize(("theirs", "older"), [("0.9.9", "gpuqd 0.9.9 is older"), ("0.10.1", "gpuqd 0.10.1 is newer")])
def test_versions_are_numbers(theirs: str, older: str) -> None:
    assert older in str(sentence("does not tell `x`", theirs=theirs, ours="0.10.0"))
