"""The image for Kubernetes: no container engine is here, so it is looked at, and its entrypoint run by itself."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.documents import ROOT

FOLDER = ROOT / "containers"
KNOWN = ("FROM", "RUN", "COPY", "ENV", "WORKDIR", "ENTRYPOINT")
POD = {
    "SPARK_DRIVER_BIND_ADDRESS": "10.0.0.1",
    "SPARK_DRIVER_URL": "spark://x@y:1",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "1",
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.2",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_EXECUTOR_POD_NAME": "exec-3",
    "SPARK_EXECUTOR_MEMORY": "1024m",
    "SPARK_CONF_DIR": "/conf",
    "SPARK_JAVA_OPT_0": "-Da=b c",
    "SPARK_JAVA_OPT_1": "-Dd=e",
}


def instructions() -> list[tuple[str, str]]:
    """Return the file's instructions with their words, continued lines joined."""
    lines = [line for line in (FOLDER / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, words.strip()) for name, _, words in found]


def test_the_file_is_one_that_can_be_built() -> None:
    found = instructions()

    assert found[0][0] == "FROM"
    assert {name for name, _ in found} == set(KNOWN)
    for name, words in found:
        if name == "RUN":
            assert subprocess.run(["sh", "-n"], input=words, text=True, check=False).returncode == 0
        if name == "COPY":
            assert all((ROOT / source).is_file() for source in words.split()[:-1])


def test_the_image_has_all_that_a_job_needs_in_the_versions_that_work_together() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["job"]
    (pip,) = [words for name, words in instructions() if name == "RUN" and "pip install" in words]
    wanted = re.findall(r"'([^']+)'|(\b[a-z][a-zA-Z_-]*(?:==\S+)?)(?=\s)", pip.partition("constraints.txt ")[2] + " ")
    there = {str(Requirement(quoted or bare)) for quoted, bare in wanted if (quoted or bare) != "rm"}

    assert {str(Requirement(one)) for one in extra} <= there
    assert "-c /tmp/constraints.txt" in pip


@pytest.fixture
def spark(tmp_path: Path) -> Path:
    """Give a folder with programs that print their words, a line each."""
    for place in ("bin/spark-submit", "java"):
        file = tmp_path / place
        file.parent.mkdir(exist_ok=True)
        file.write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@"\n')
        file.chmod(0o755)
    return tmp_path


def run(spark: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(FOLDER / "entrypoint.sh"), *words],
        env={"PATH": f"{spark}:/usr/bin:/bin", "SPARK_HOME": str(spark), **more},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_entrypoint_starts_drivers_and_executors_as_spark_asks_for_them(spark: Path) -> None:
    driver = run(spark, "driver", "--class", "X", "a b", **POD).stdout.splitlines()
    executor = run(spark, "executor", **POD).stdout.splitlines()

    assert (driver[0], driver[-5:]) == ("spark-submit", ["--deploy-mode", "client", "--class", "X", "a b"])
    assert "spark.driver.bindAddress=10.0.0.1" in driver
    assert executor[:7] == ["java", "-Da=b c", "-Dd=e", "-Xms1024m", "-Xmx1024m", "-cp", f"/conf:{spark}/jars/*"]
    assert executor[7].endswith("KubernetesExecutorBackend")
    assert executor[8:12] == ["--driver-url", "spark://x@y:1", "--executor-id", "3"]
    assert executor[-2:] == ["--podName", "exec-3"]


def test_the_entrypoint_runs_any_other_command_and_says_what_a_pod_lacks(spark: Path) -> None:
    assert run(spark, "echo", "a  b").stdout == "a  b\n"
    lacking = run(spark, "executor")
    assert lacking.returncode != 0
    assert "SPARK_EXECUTOR_MEMORY" in lacking.stderr
