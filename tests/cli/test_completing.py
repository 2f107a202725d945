"""The tab key, in real shells where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpuq.models import JobState
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, a_cluster, a_job

_FINISH = {
    "bash": "COMP_WORDS=({line}); COMP_CWORD={last}; _gpuq_completion gpuq; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
    "fish": "complete -C '{whole}'",
    # what zsh's own completion would be given: names in an array whose name comes last, or before -U
    "zsh": "words=({line}); CURRENT=$(({last} + 1)); _gpuq_completion gpuq",
}
_ZSH = """compdef() {{ }}
compadd() {{ print -l -- ${{(P)@[-1]}} }}
_describe() {{ print -l -- ${{${{(P)@[3]}}%%:*}} }}
_path_files() {{ }}
{script}"""


def completed(shell: str, gpuq: Gpuq, *words: str) -> list[str]:
    """Return what a shell offers for the last of `words`."""
    script = gpuq("completions", shell).out
    script = _ZSH.format(script=script) if shell == "zsh" else script
    whole = " ".join(("gpuq", *words))
    line = " ".join(("gpuq", *(word or "''" for word in words)))
    finish = _FINISH[shell].format(line=line, last=len(words), whole=whole)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **_own_environment()}
    plain = {"bash": "--norc", "fish": "--no-config", "zsh": "-f"}[shell]
    done = subprocess.run(
        [shutil.which(shell) or shell, plain, "-c", f"{script}\n{finish}"],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    return [word.split("\t")[0] for word in done.stdout.split("\n") if word]


def _own_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("GPUQ_SOCKET", "GPUQ_HOST", "HOME") if name in os.environ}


@pytest.mark.parametrize(
    "shell",
    [
        "bash",
        *(
            pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))
            for name in ("fish", "zsh")
        ),
    ],
)
def test_verbs_options_and_names_are_completed(daemon: FakeDaemon, gpuq: Gpuq, shell: str) -> None:
    daemon.answers |= {
        "GET /v1/cluster": a_cluster(),
        "GET /v1/jobs": {"jobs": [a_job(id=12), a_job(id=130, state=JobState.RUNNING, name="a,b\n$(x)")]},
    }

    assert completed(shell, gpuq, "can") == ["cancel"]
    assert completed(shell, gpuq, "queue", "--no") == ["--no-header"]
    newest_first, in_order = completed(shell, gpuq, "cancel", "1"), completed(shell, gpuq, "queue", "-s", "C")
    assert sorted(newest_first) == ["12", "130"]
    assert sorted(in_order) == ["CA", "CD", "CF", "CG"]
    assert shell == "fish" or (newest_first[0], in_order[0]) == ("130", "CF")  # fish has an order of its own


def test_where_no_daemon_answers_nothing_is_said(gpuq: Gpuq, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", str(tmp_path / "nobody"))

    assert completed("bash", gpuq, "cancel", "1") == []


def test_scripts_are_files(gpuq: Gpuq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "gpuq enqueue tr")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("_GPUQ_COMPLETE", "bash_complete")

    assert gpuq().out == "file,tr\n"


def test_a_shell_without_a_script_is_refused(gpuq: Gpuq) -> None:
    done = gpuq("completions", "csh")

    assert (done.code, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_names_gpuq(gpuq: Gpuq, shell: str) -> None:
    assert f"_GPUQ_COMPLETE={shell}_complete" in gpuq("completions", shell).out
