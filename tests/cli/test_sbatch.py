"""`#SBATCH` lines become what they mean here, and the rest is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.asking import READERS
from gpuq.cli.queueing import given_of, spec
from gpuq.errors import UsageError
from gpuq.sbatch import read_sbatch, same_line
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon

BODY = "\ndef main_fun(args, ctx):\n    pass\n"


def the_spec(*lines: str, **asked: str) -> dict[str, Any]:
    text = "\n".join(f"#SBATCH {line}" for line in lines) + BODY
    return spec("train.py", text, (), given_of("train.py", text, asked, {}), now=0.0)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["--job-name=a -t 2:00:00 -p a100 -A vision --qos=high"],
         {"name": "a", "time_limit_s": 7200, "partition": "a100", "account": "vision", "qos": "high"}),
        (["-n 4 --gres=gpu:8", "-N 4"], {"workers": 4, "gpus_per_worker": 8, "nodes": 4}),
        (["--nodes=2 --ntasks-per-node=4 --gpus-per-node=a100:4"],
         {"workers": 8, "gpus_per_worker": 1, "gpu_type": "a100", "nodes": 2}),
        (["--ntasks 3 --gpus 6"], {"workers": 3, "gpus_per_worker": 2}),
        (["-G2"], {"workers": 1, "gpus_per_worker": 2}),
        (["--gres=gpu"], {"gpus_per_worker": 1}),
        (["--gpus-per-task=v100:2 -n2 -c 8 --mem-per-cpu=2G"],
         {"workers": 2, "gpus_per_worker": 2, "gpu_type": "v100", "memory_mib_per_worker": 16384}),
        (["-N1 --ntasks-per-node=3 --mem=10G"], {"memory_mib_per_worker": 3413}),
        (["--array=0-9%2 --hold --exclusive --nice=5 --signal=B:USR1@120 # as before"],
         {"array": "0-9%2", "hold": True, "exclusive": True, "nice": 5, "signal_s": 120}),
        (["--exclusive", "--dependency afterok:12"], {"exclusive": True, "dependency": "afterok:12"}),
    ],
)  # fmt: skip
def test_lines_mean_what_they_mean_to_slurm(lines: list[str], expected: dict[str, Any]) -> None:
    made = the_spec(*lines)

    assert {key: made.get(key) for key in expected} == expected


def test_gpuq_lines_and_the_command_line_win() -> None:
    text = "#SBATCH --ntasks 2 --time 60\n#GPUQ --workers 3" + BODY

    made = spec("train.py", text, (), given_of("train.py", text, {"time": "1h30m"}, {}), now=0.0)

    assert (made["workers"], made["time_limit_s"]) == (3, 5400)


@pytest.mark.parametrize(
    "line",
    ["--ntasks=many", "--gpus=3 -n2", "--gres=gpu:a:b:1", "--gres=shard:1", "--time=never", "-N 1-2", "--gpus=",
     "--gres='gpu"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(UsageError, match=r"train\.py"):
        the_spec(line)


def test_what_means_nothing_here_is_named(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("#!/usr/bin/env python\n#SBATCH --licenses=a -o out.txt\n#SBATCH --colour red" + BODY)

    done = gpuq("enqueue", str(script))

    assert "--licenses (line 2), --output (line 2), --colour (line 3)" in done.err


def test_a_stray_word_is_named_and_becomes_no_option() -> None:
    asked = read_sbatch("#SBATCH --comment=two gpus\n#SBATCHx -t 99\n", "t.py")

    assert asked.fields == {}
    assert asked.left_out == [(1, "--comment"), (1, "'gpus'")]


def test_a_script_for_a_shell_is_told_as_the_line_it_is(daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(
        "#!/bin/bash\n#SBATCH -n 2 --gres=gpu:2 -t 90\nmodule load cuda\nsrun python -u train.py --lr 1e-3\n"
    )

    done = gpuq("enqueue", str(script))

    assert done.code == 2
    assert "`gpuq enqueue --time 90 --workers 2 --gpus-per-worker 1 train.py -- --lr 1e-3`" in done.err


@pytest.mark.parametrize(
    "command",
    ["python a.py &", "if true; then\npython a.py\nfi", "python a.py\npython b.py",
     "for i in 1 2; do\npython a.py\ndone", "python $SCRIPT.py", "python a.py > out", "./a.out",
     "python -c 'x'", "python 'a.py"],
)  # fmt: skip
def test_only_a_plain_command_is_told_as_a_line(command: str) -> None:
    assert same_line(f"#!/bin/sh\n{command}\n", "job.sh") is None


@given(st.text(alphabet=st.sampled_from("-=:gpun1 4'\"#GNtc@\n"), max_size=60))
def test_any_lines_are_read_or_refused(text: str) -> None:
    try:
        asked = read_sbatch(f"#SBATCH {text}\n#SBATCH --{text}", "x.py")
    except UsageError:
        return
    assert set(asked.fields) <= set(READERS)
