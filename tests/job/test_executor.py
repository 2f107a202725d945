"""What a rank's surroundings are taken from, where Spark tells Python nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gpuq_job import executor

WORDS = ["java", "--driver-url", "spark://d", "--executor-id", "3", "--hostname", "10.0.0.7"]


def test_a_standalone_executor_tells_its_worker() -> None:
    told = executor.told([*WORDS, "--worker-url", "spark://Worker@10.0.0.7:4040"], {})

    assert told == {"GPUQ_HOST": "10.0.0.7", "SPARK_EXECUTOR_ID": "3", "GPUQ_NODE": "10.0.0.7:4040"}


def test_a_container_tells_its_node_manager() -> None:
    assert executor.told(WORDS, {"NM_HOST": "n1", "NM_PORT": "8041"})["GPUQ_NODE"] == "n1:8041"


def test_what_the_environment_says_already_is_left() -> None:
    assert executor.told(WORDS, {"GPUQ_HOST": "a", "SPARK_EXECUTOR_ID": "0", "GPUQ_NODE": "embedded-1"}) == {}


def test_a_process_without_a_folder_of_its_attempt_has_one_of_its_own_and_removes_it() -> None:
    code = "import os, tempfile; from gpuq_job import executor as e; e.use_own_temporary_folder(); "
    show = "print(tempfile.mkdtemp()); print(os.environ['TMPDIR'])"
    environment = {"TMPDIR": "/not/there", "GPUQ_ATTEMPT": "abc", "PYTHONPATH": str(Path(executor.__file__).parents[1])}
    argv = [sys.executable, "-c", code + show]

    told = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert told[0].startswith(told[1] + "/")
    assert told[1].startswith("/tmp/gpuq-abc-")
    assert not Path(told[1]).exists()
