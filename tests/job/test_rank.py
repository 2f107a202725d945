"""A rank runs the user's script in its surroundings and tells truthfully how it ended."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gpuq_job import rank_log, script, spec
from gpuq_job.outcome import Ranks
from gpuq_job.rank import MainFun, Words

KEY = "00" * 32


@dataclass(frozen=True)
class Ctx:
    executor_id: int = 0
    job_name: str = "chief"


def a_run(
    folder: Path, script: str, *args: str, carried_to: str | None = None, attempt: int = 2, sample_every_s: float = 0
) -> spec.Run:
    path = folder / "train.py"
    path.write_text(script)
    return spec.Run(
        job_id=3,
        attempt=attempt,
        workers=1,
        gpus_per_worker=1,
        script=str(path),
        args=("train.py", *args),
        folder=str(folder),
        checkpoints=str(folder / "checkpoints"),
        host="127.0.0.1",
        key=KEY,
        carried_to=carried_to,
        sample_every_s=sample_every_s,
    )


RANK = """
import sys
from pathlib import Path
from gpuq_job import spec
from gpuq_job.rank import MainFun, Words
from tests.job.test_rank import Ctx
run = spec.read(Path(sys.argv[1]))
MainFun(run=run, address=("127.0.0.1", int(sys.argv[2])), script_text=run.script_text())(Words(run.args), Ctx())
"""


def outcome_of(
    folder: Path,
    script: str,
    *args: str,
    carried_to: str | None = None,
    attempt: int = 2,
    is_reached: bool = True,
    has_folder: bool = True,
    sample_every_s: float = 0,
) -> dict[str, Any]:
    """Run a script as a rank in a process of its own; return the outcome as the driver sees it."""
    from gpuq_job.driver_end import DriverEnd

    run = a_run(folder, script, *args, carried_to=carried_to, attempt=attempt, sample_every_s=sample_every_s)
    samples = list[dict[str, Any]]()
    run = run if has_folder else replace(run, folder=str(folder / "gone"), checkpoints=str(folder / "gone/checkpoints"))
    spec.write(folder / "spec.json", run)
    if is_reached and has_folder:
        run.log(0).parent.mkdir(parents=True, exist_ok=True)  # as gpuqd makes it
    driver = DriverEnd("127.0.0.1", bytes.fromhex(KEY))
    ranks = Ranks(workers=1)
    words = [sys.executable, "-c", RANK, str(folder / "spec.json"), str(driver.address[1])]
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(words, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while ranks.outcome is None:
            for message in driver.messages(5):
                number = message["rank"]
                if "sample" in message:
                    samples.append(message["sample"])
                elif message["state"] is None:
                    ranks.hung_up(number, rank_log.tail(run.log(number)))
                else:
                    ranks.heard(message)
    driver.close()
    return {
        **ranks.outcome,
        "samples": samples,
        "rank": ranks.known.get(0, {}),
        "is_ok": process.returncode == 0,
        "log": run.log(0).read_text() if run.log(0).exists() else "",
    }


def test_the_function_finds_its_surroundings(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "def main_fun(args, ctx):\n"
        "    names = ('JOB_ID', 'ATTEMPT_NUMBER', 'RANK', 'LOG_DIR', 'CHECKPOINT_DIR')\n"
        "    print(args, sys.argv == args, type(args).__name__, *(os.environ['GPUQ_' + n] for n in names))\n"
        "    print(__name__, os.path.isdir(os.environ['GPUQ_LOG_DIR']))\n"
        "    os.system('echo from a child')\n"
    )
    ended = outcome_of(tmp_path, script, "--x", "num_gpus")

    assert (ended["exit_code"], ended["is_ok"]) == (0, True)
    assert ended["log"].splitlines() == [
        f"['train.py', '--x', 'num_gpus'] True list 3 2 0 {tmp_path}/events/rank-0 {tmp_path}/checkpoints",
        "gpuq_script True",
        "from a child",
    ]
    assert not (tmp_path / "__pycache__").exists()


def test_a_script_imports_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "__init__.py").write_text("width = 7\n")

    ended = outcome_of(tmp_path, "from layers import width\ndef main_fun(args, ctx): print('width', width)\n")

    assert ended["log"] == "width 7\n"


def test_what_a_rank_uses_is_told_while_its_function_runs(tmp_path: Path) -> None:
    script = (
        "import sys, time, types\n"
        "def main_fun(args, ctx):\n"
        "    functions = sys.modules['tensorflow.python.eager.polymorphic_function.polymorphic_function']\n"
        "    step = functions.Function()\n"
        "    for n in range(60):\n"
        "        time.sleep(0.01)\n"
        "        step(n)\n"
    )
    stand_in = (  # what TFoS's nodes have imported before
        "import sys, types\n"
        "functions = types.ModuleType('tensorflow.python.eager.polymorphic_function.polymorphic_function')\n"
        "functions.Function = type('Function', (), {'__call__': lambda self, n: n})\n"
        "ops = types.ModuleType('tensorflow.python.framework.ops')\n"
        "ops._EagerTensorBase = type('Tensor', (), {'_numpy': lambda self: 1})\n"
        "sys.modules[functions.__name__], sys.modules[ops.__name__] = functions, ops\n"
    )

    ended = outcome_of(tmp_path, stand_in + script, sample_every_s=0.1)

    assert ended["exit_code"] == 0
    assert ended["samples"]
    assert all(sample["memory_mib"] > 5 and sample["gpus"] == [] for sample in ended["samples"])
    steps = [sample["steps"] for sample in ended["samples"] if sample["steps"] is not None]
    assert steps
    assert all(one["own_s"] >= 0.009 for one in steps)


def test_a_rank_tells_its_process_by_number_start_and_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_ID", "container_1_2_3_4")

    ended = outcome_of(tmp_path, "import os\ndef main_fun(args, ctx): print(os.getpid())\n")

    known = ended["rank"]
    assert str(known["pid"]) == ended["log"].strip()
    assert known["start_time"] > 0
    assert known["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert known["container_id"] == "container_1_2_3_4"
    assert ended["samples"] == []


def test_a_rank_that_does_not_reach_the_jobs_folder_says_so(tmp_path: Path) -> None:
    ended = outcome_of(tmp_path, "def main_fun(args, ctx): pass\n", is_reached=False)

    assert ended["exit_code"] != 0
    assert f"cannot write to the job's folder {tmp_path}" in ended["error"]


@pytest.mark.parametrize(
    ("body", "code", "error"),
    [
        ("raise ValueError('two\\nlines')", 1, "ValueError: two lines"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("sys.exit(3)", 3, "main_fun ended with sys.exit(3)"),
        ("sys.exit(-1)", 255, "main_fun ended with sys.exit(-1)"),
        ("sys.exit('no data')", 1, "main_fun ended with sys.exit: no data"),
        ("sys.exit()", 0, None),
        ("sys.exit(0)", 0, None),
        ("sys.exit(256)", 1, "main_fun ended with sys.exit(256)"),  # as of os.system
        ("return 5", 0, None),
    ],
)
def test_every_end_has_its_exit_code(tmp_path: Path, body: str, code: int, error: str | None) -> None:
    ended = outcome_of(tmp_path, f"import sys\ndef main_fun(args, ctx):\n    print('begin')\n    {body}\n")

    assert (ended["exit_code"], ended["error"], ended["is_ok"]) == (code, error, code == 0)
    if code:
        assert ended["tail"][0] == "begin"
        assert ended["tail"] == ended["log"].splitlines()


@pytest.mark.parametrize(
    "spoils",
    [
        "sys.stdout.close()",
        "sys.stderr.close()",
        "os.close(1)",
        "os.close(2)",
        "sys.stdout = sys.stderr = None",
        "sys.stdout = sys.stderr = 5",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    ],
)
def test_what_a_script_makes_of_its_streams_does_not_make_its_failure_a_nodes(tmp_path: Path, spoils: str) -> None:
    script = f"import os, resource, sys\ndef main_fun(args, ctx):\n    {spoils}\n    raise ValueError('its own')\n"

    ended = outcome_of(tmp_path, script)

    assert (ended["exit_code"], ended["error"], ended["reason"]) == (1, "ValueError: its own", "UserError")
    assert "FSIZE" in spoils or ended["log"].endswith("ValueError: its own\n")


@pytest.mark.parametrize("raises", ["raise Mute", "sys.exit(Mute())"])
def test_what_cannot_say_what_it_is_fails_all_the_same(tmp_path: Path, raises: str) -> None:
    mute = "class Mute(Exception):\n    def __str__(self): raise RuntimeError\n"
    ended = outcome_of(tmp_path, f"import sys\n{mute}def main_fun(args, ctx): {raises}\n")

    assert (ended["exit_code"], ended["reason"]) == (1, "UserError")
    assert ended["error"].endswith("a Mute whose own words failed: RuntimeError")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("async def main_fun(args, ctx): print('trains')", "nothing of it has run"),
        ("def main_fun(args, ctx): print('trains'); yield", "nothing of it has run"),
        ("async def main_fun(args, ctx): print('trains'); yield", "nothing of it has run"),
        ("def main_fun(args, ctx): print('trains')\nraise SystemExit(0)", "its function was never called"),
    ],
)
def test_a_function_that_has_not_run_has_not_completed(tmp_path: Path, script: str, error: str) -> None:
    ended = outcome_of(tmp_path, script + "\n")

    assert (ended["exit_code"], ended["reason"], "trains" in ended["log"].split("\n")) == (1, "UserError", False)
    assert error in ended["error"]


@pytest.mark.parametrize("body", ["os._exit(0)", "os.kill(os.getpid(), 9)", "ctypes.string_at(1)"])
def test_a_process_that_ends_without_a_word_is_lost(tmp_path: Path, body: str) -> None:
    ended = outcome_of(
        tmp_path, f"import ctypes, os\ndef main_fun(args, ctx):\n    print('begin', flush=True)\n    {body}\n"
    )

    lines = ended["log"].splitlines()
    assert (ended["exit_code"], ended["failed_rank"]) == (137, 0)
    is_crash = "ctypes.s" in body  # it tells where each of its threads is; what comes first counts
    assert (lines[0], ended["tail"][0], ended["tail"]) == ("begin", "begin", lines[:20])
    assert ("Fatal Python error: Segmentation fault" in ended["tail"]) == is_crash
    assert ended["reason"] == ("UserError" if is_crash else "NodeLost")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("x = 1", "AttributeError: train.py defines no function main_fun(args, ctx)"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def main_fun(:", "SyntaxError: invalid syntax (train.py, line 1)"),
    ],
)
def test_a_script_that_cannot_be_loaded_fails_as_such(tmp_path: Path, script: str, error: str) -> None:
    ended = outcome_of(tmp_path, script)

    assert (ended["exit_code"], ended["error"]) == (1, error)


def test_the_main_part_of_a_script_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("def main_fun(a, c): return 4\nif __name__ == '__main__': raise SystemExit\n")

    assert script.function(script.load(path), "main_fun", "args, ctx")([], None) == 4


def test_the_words_tell_tfos_the_number_of_gpus() -> None:
    words = Words(["train.py", "a"])
    words.num_gpus = 2

    copied = pickle.loads(pickle.dumps(words))

    assert "num_gpus" in copied
    assert copied.num_gpus == 2
    assert list(copied) == ["train.py", "a"]
    assert "b" not in copied


def test_the_function_travels_to_the_executors(tmp_path: Path) -> None:
    function = MainFun(run=a_run(tmp_path, ""), address=("127.0.0.1", 1))

    assert pickle.loads(pickle.dumps(function)) == function


def test_the_tail_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff" * 100_000 + b"\n" + b"".join(b"%d\n" % i for i in range(30)))

    assert rank_log.tail(log) == [str(i) for i in range(10, 30)]
    assert max(map(len, rank_log.tail(log, 100))) <= 1000
    assert rank_log.tail(tmp_path / "none") == []


def test_a_crash_that_was_another_process_is_not_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Fatal Python error: Aborted\n  File x\n" + "step\n" * 30)

    assert rank_log.tail(log) == ["step"] * 20


def test_the_spec_is_private_and_comes_back(tmp_path: Path) -> None:
    run = a_run(tmp_path, "", "\udcff", "ü\n")
    spec.write(tmp_path / "spec.json", run)

    assert spec.read(tmp_path / "spec.json") == run
    assert os.stat(tmp_path / "spec.json").st_mode & 0o777 == 0o600


KERAS = """
def main_fun(args, ctx):
    code = "raise ValueError('Attempt to convert a value (PerReplica:{}) with an unsupported type to a Tensor.')"
    exec(compile(code, "/site-packages/keras/src/utils/traceback_utils.py", "exec"))
"""


def test_a_fit_that_keras_cannot_do_is_explained(tmp_path: Path) -> None:
    ended = outcome_of(tmp_path, KERAS)

    assert ended["exit_code"] == 1
    assert ended["error"].startswith("Keras 3's model.fit does not work on several workers")
    assert "tf_keras" in ended["error"]
    assert any("PerReplica" in line for line in ended["tail"])  # its own words are still there


def test_a_script_of_its_own_is_not_taken_for_keras(tmp_path: Path) -> None:
    ended = outcome_of(tmp_path, "def main_fun(args, ctx):\n    raise ValueError('no PerReplica')\n")

    assert ended["error"] == "ValueError: no PerReplica"


CARRIED = """
import os
def main_fun(args, ctx):
    folder = os.environ["GPUQ_CHECKPOINT_DIR"]
    print("finds", sorted(name for name in os.listdir(folder) if not name.startswith(".")), flush=True)
    open(os.path.join(folder, "ckpt-1.index"), "w").write("whole")
    open(os.path.join(os.environ["GPUQ_LOG_DIR"], "events.out.tfevents.1"), "w").write("events")
    if args[1] == "fails":
        raise ValueError("after the last event")
"""


@pytest.mark.parametrize(("end", "code"), [("ends", 0), ("fails", 1)])
def test_what_a_rank_wrote_is_carried_before_it_tells_its_end_and_found_on_another_host(
    tmp_path: Path, end: str, code: int
) -> None:
    there, here, elsewhere = (tmp_path / name for name in ("there", "here", "elsewhere"))
    here.mkdir()
    elsewhere.mkdir()

    first = outcome_of(here, CARRIED, end, carried_to=there.as_uri())
    second = outcome_of(elsewhere, CARRIED, end, carried_to=there.as_uri(), attempt=3)

    assert (first["exit_code"], second["exit_code"]) == (code, code)
    assert (there / "2/events/rank-0/events.out.tfevents.1").read_text() == "events"
    assert "finds []" in first["log"]
    assert "finds ['ckpt-1.index']" in second["log"]
    assert "finds ['ckpt-1.index']" in (there / "3/logs/rank-0.log").read_text()
    assert (end == "ends") or "after the last event" in (there / "3/logs/rank-0.log").read_text()


def test_a_host_without_the_jobs_folder_trains_in_one_of_its_own_where_files_are_carried(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    here.mkdir()

    ended = outcome_of(here, CARRIED, "ends", carried_to=there.as_uri(), has_folder=False)

    assert (ended["exit_code"], ended["error"]) == (0, None)
    assert (there / "2/events/rank-0/events.out.tfevents.1").read_text() == "events"
    assert (there / "checkpoints/ckpt-1.index").read_text() == "whole"
    assert "finds []" in (there / "2/logs/rank-0.log").read_text()
    assert not (here / "gone").exists()


def test_a_rank_trains_and_ends_also_where_nothing_can_be_carried(tmp_path: Path) -> None:
    uri = "hdfs://127.0.0.1:1/logs"
    outcome = outcome_of(tmp_path, CARRIED, "ends", carried_to=uri)

    assert outcome["exit_code"] == 0
    assert f"files are not carried to {uri} now" in outcome["log"]
