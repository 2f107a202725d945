"""The matrix: every way to train on every engine, as jobs of a gpuqd whose samples run unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gpuq.client import Json
from gpuq_daemon import processes
from tests.support.daemon import Gpuqd, until

SAMPLES = Path(__file__).resolve().parents[2] / "sample_jobs"
_SERVE = ("ps", "evaluator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A way to train: its sample, the words for it, and what the job asks for."""

    sample: str
    args: tuple[str, ...] = ()
    asks: Mapping[str, object] = field(default_factory=dict[str, object])


MODES: Mapping[str, Mode] = {
    "in-graph": Mode(sample="digits_mirrored.py", args=("--devices", "2", "--steps", "20")),
    "sync": Mode(sample="digits_sync.py", args=("--epochs", "2"), asks={"workers": 2}),
    "sync, tf_keras fit": Mode(sample="digits_tf_keras.py", asks={"workers": 2}),
    "parameter servers": Mode(sample="digits_ps.py", asks={"workers": 2, "ps": 1}),
    "parameter servers, TF1": Mode(sample="digits_async.py", asks={"workers": 2, "ps": 1}),
    "rows fed by Spark": Mode(sample="digits_fed.py", asks={"workers": 2, "epochs": 2}),
    "evaluator": Mode(sample="digits_evaluated.py", asks={"workers": 1, "evaluator": True}),
    "independent": Mode(sample="digits_search.py", asks={"workers": 2, "independent": True}),
    "driver script": Mode(sample="tfos_driver.py", asks={"workers": 2, "driver": True}),
}

ENGINES = ("embedded", "standalone", "yarn", "kubernetes")
_MODES, _SERVERS = "tests/backends/test_modes.py::test_", "tests/backends/test_server_jobs.py::test_"
# Where each cell is run by `make test`; all of them are run by `-m matrix`.
TESTS: Mapping[tuple[str, str], str] = {
    ("in-graph", "embedded"): f"{_MODES}two_devices_learn_what_one_with_the_whole_batch_does",
    ("sync", "embedded"): "tests/backends/test_embedded_jobs.py::test_a_training_completes_on_two_workers",
    ("sync, tf_keras fit", "embedded"): f"{_MODES}tf_keras_fits_on_two_workers",
    ("parameter servers", "embedded"): f"{_SERVERS}a_training_on_a_parameter_server_ends_by_itself",
    ("parameter servers, TF1", "embedded"): f"{_SERVERS}a_training_on_a_parameter_server_ends_by_itself",
    ("rows fed by Spark", "embedded"): f"{_MODES}rows_of_an_rdd_are_fed_and_the_export_after_them_is_kept",
    ("evaluator", "embedded"): f"{_SERVERS}an_evaluator_scores_checkpoints_to_the_last",
    ("independent", "embedded"): f"{_MODES}independent_workers_have_gpus_of_their_own_and_survive_each_other",
    ("driver script", "embedded"): f"{_MODES}a_driver_script_of_tfos_runs_as_it_is",
    ("parameter servers", "standalone"): (
        "tests/backends/test_standalone.py::test_a_training_outlives_gpuqd_and_completes_and_nothing_is_left"
    ),
    ("sync", "yarn"): (
        "tests/backends/test_yarn.py::test_a_training_outlives_gpuqd_and_completes_on_two_nodes_and_nothing_is_left"
    ),
    (
        "sync",
        "kubernetes",
    ): "tests/kubernetes/test_trainings.py::test_a_training_hears_orders_and_completes_on_two_workers",
}
# Seconds that each took: on Kubernetes with little else to do, elsewhere beside five to ten times as much work.
RAN_S: Mapping[str, tuple[int | None, ...]] = {
    "in-graph": (None, 27, 70, 26),
    "sync": (None, 50, 98, 18),
    "sync, tf_keras fit": (None, 80, 133, 46),
    "parameter servers": (None, 81, 104, 56),
    "parameter servers, TF1": (None, 125, 140, 78),
    "rows fed by Spark": (None, 83, 203, 50),
    "evaluator": (None, 84, 160, 44),
    "independent": (None, 73, 161, 37),
    "driver script": (None, 153, 63, 58),
}


def told(mode: str, engine: str) -> str:
    """Return what the documentation says of a cell."""
    ran_s = RAN_S[mode][ENGINES.index(engine)]
    if (mode, engine) in TESTS:
        return "each change" if ran_s is None else f"each change, {ran_s} s"
    return "not run yet" if ran_s is None else f"{ran_s} s"


def run_cell(gpuqd: Gpuqd, mode: Mode, *, is_interrupted: bool = False) -> Json:
    """Run a way to train to its end; it completes, no two ranks share a GPU, and nothing of it is left.

    `is_interrupted`: gpuqd is killed once the job's driver is there; the next one has to find it again.
    """
    text = (SAMPLES / mode.sample).read_text()
    job_id = gpuqd.client.enqueue({"script_name": mode.sample, "script": text, "args": list(mode.args), **mode.asks})[
        "id"
    ]
    if is_interrupted:
        until(lambda: gpuqd.client.job(job_id)["driver_pid"] is not None, timeout_s=180, what="a driver")
        gpuqd.kill()
        gpuqd.start()
    job = gpuqd.ended(job_id, timeout_s=400)
    assert job["attempt"] == 1, (job, said(gpuqd, job_id))
    assert job["state"] == "COMPLETED", (job, said(gpuqd, job_id))
    check_ranks(job)
    left = what_is_left(gpuqd, job_id)
    assert left == {}, left
    return job


def check_ranks(job: Json) -> None:
    """Check what the job's ranks told: all ended as they should, on known nodes, and no GPU is on two of them."""
    ranks = job["ranks"]
    assert [rank["state"] for rank in ranks if rank["role"] not in _SERVE] == ["DONE"] * job["workers"], ranks
    assert all(rank["state"] in ("DONE", "KILLED") for rank in ranks), ranks
    assert all(rank["node"] for rank in ranks), ranks
    held = [(rank["node"], gpu) for rank in ranks for gpu in rank["gpus"]]
    assert len(set(held)) == len(held), ranks


def what_is_left(gpuqd: Gpuqd, job_id: int, number: int = 1) -> dict[str, object]:
    """Return what an ended attempt has left on this host and in the cluster's books; empty if all is well."""
    token = token_of(gpuqd, job_id, number)
    nodes = gpuqd.client.cluster()["nodes"]
    found = {
        "processes": processes.marked(token),
        "scratch": [path.name for path in (gpuqd.folder / "s").glob(f"{token}*")],
        "temporary folders": [path.name for path in Path("/tmp").glob("gpuq-*") if _is_of(path, token)],
        "GPUs": [node["name"] for node in nodes if job_id in node["job_ids"]],
    }
    return {name: what for name, what in found.items() if what}


def token_of(gpuqd: Gpuqd, job_id: int, number: int = 1) -> str:
    """Return what marks the attempt's processes."""
    import json

    launch = gpuqd.folder / "attempts" / str(job_id) / str(number) / "launch.json"
    return json.loads(launch.read_text())["env"][processes.MARKER]


def said(gpuqd: Gpuqd, job_id: int, number: int = 1) -> str:
    """Return the ends of the attempt's logs, for a test that fails."""
    folder = gpuqd.folder / "jobs" / str(job_id) / str(number)
    files = [folder / "driver.log", *sorted((folder / "logs").glob("*"))]
    return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files if file.exists())


def _is_of(path: Path, token: str) -> bool:
    return path.name.startswith(f"gpuq-{token}")
