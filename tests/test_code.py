"""What goes with a script: collected, let in, written beside it, shown again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.code import DIFF, MAX_CODE_BYTES, code_of
from gpuq.errors import UsageError
from gpuq.models import Code, SourceFile
from gpuq_daemon.policy.code import refusal
from tests.support.daemon import plain_gpuqd


def paths_of(code: dict[str, Any] | None) -> list[str]:
    return [] if code is None else [file["path"] for file in code["files"]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("src/train.py", "src/model.py", "src/layers/__init__.py", "src/layers/deep/conv.py", "conf/a.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / "src/layers/__pycache__").mkdir()
    (tmp_path / "src/layers/__pycache__/x.pyc").write_bytes(b"\xff")
    (tmp_path / "src/layers/.hidden").write_text("secret")
    return tmp_path / "src"


def test_files_keep_their_place_below_the_scripts_folder(project: Path) -> None:
    code = code_of(str(project / "train.py"), ["model.py", "layers", "../conf"], base=str(project))

    assert paths_of(code) == ["conf/a.yaml", "layers/__init__.py", "layers/deep/conv.py", "model.py"]
    assert code is not None
    assert code["files"][-1]["text"] == "# src/model.py\n"


def test_a_folder_with_the_script_in_it_does_not_bring_it_twice(project: Path) -> None:
    assert "train.py" not in paths_of(code_of(str(project / "train.py"), [str(project)]))


def test_alone_nothing_goes_with_a_script(project: Path) -> None:
    assert code_of(str(project / "train.py"), []) is None


@pytest.mark.parametrize("path", ["nothing.py", "data.bin", "big.txt", "pipe", "\0"])
def test_what_is_no_text_is_refused(project: Path, path: str) -> None:
    import os

    (project / "data.bin").write_bytes(b"\xff\xfe")
    (project / "big.txt").write_text("x" * (MAX_CODE_BYTES + 1))
    os.mkfifo(project / "pipe")

    with pytest.raises(UsageError, match="--files"):
        code_of(str(project / "train.py"), [path], base=str(project))


def test_the_commit_and_what_is_not_committed_are_recorded(project: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(project), *identity, *words], check=True, capture_output=True)

    git("init", "-q")
    assert code_of(str(project / "train.py"), []) is None  # no commit yet
    git("add", ".")
    git("commit", "-qm", "first")
    clean = code_of(str(project / "train.py"), [])
    (project / "model.py").write_text("changed\n")
    dirty = code_of(str(project / "train.py"), [])

    assert clean is not None
    assert dirty is not None
    assert len(clean["commit"]) == 40
    assert paths_of(clean) == []
    assert dirty["commit"] == f"{clean['commit']}-dirty"
    assert paths_of(dirty) == [DIFF]
    assert "+changed" in dirty["files"][0]["text"]


def a_repository(folder: Path) -> None:
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_nothing_that_a_repository_names_is_run(project: Path) -> None:
    (project / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    a_repository(project)
    for name in ("filter.evil.clean", "filter.evil.process", "diff.evil.command", "diff.evil.textconv"):
        command = f"touch {project}/ran; cat"
        subprocess.run(["git", "-C", str(project), "config", name, command], check=True)
    subprocess.run(["git", "-C", str(project), "config", "core.fsmonitor", f"touch {project}/ran"], check=True)
    (project / "model.py").write_text("changed\n")

    code = code_of(str(project / "train.py"), [])

    assert code is not None
    assert code["commit"].endswith("-dirty")
    assert not (project / "ran").exists()


def test_a_script_that_is_in_no_commit_is_not_as_committed(project: Path) -> None:
    a_repository(project)
    (project / "new.py").write_text("x\n")

    code = code_of(str(project / "new.py"), [])

    assert code is not None
    assert code["commit"].endswith("-dirty")


def test_a_large_difference_is_cut(project: Path) -> None:
    a_repository(project)
    (project / "model.py").write_text("x" * 3_000_000)

    code = code_of(str(project / "train.py"), [])

    assert code is not None
    assert len(code["files"][0]["text"]) < 300_000


def test_two_files_of_one_place_and_empty_folders_are_refused(project: Path) -> None:
    (project / "empty").mkdir()
    (project.parent / "conf2").mkdir()
    (project.parent / "conf2" / "model.py").write_text("other\n")

    for paths in (["model.py", "../conf2/model.py"], ["empty"]):
        with pytest.raises(UsageError, match="--files"):
            code_of(str(project / "train.py"), paths, base=str(project))


@pytest.mark.parametrize(
    "paths",
    [["../x.py"], ["/etc/x"], ["a//b"], ["./a"], ["a/../../b"], [""], ["a\nb"], ["train.py"], ["a", "a"], ["a", "a/b"],
     ["train.py/x"], ["x" * 64], ["a/" * 600 + "b"], ["\x1b[31m"], ["a\\b"], [f"f{i}" for i in range(1001)]],
)  # fmt: skip
def test_no_file_leaves_the_scripts_folder_or_takes_anothers_place(paths: list[str]) -> None:
    code = Code(files=tuple(SourceFile(path=path, text="") for path in paths))

    refused = refusal(code, "train.py")

    assert refused is not None
    assert refused.isprintable()


@pytest.mark.parametrize("commit", ["", "HEAD", "a" * 39, "a" * 40 + "-clean", "A" * 40, "a" * 40 + "\n"])
def test_a_commit_is_a_hash(commit: str) -> None:
    assert refusal(Code(commit=commit), "train.py") is not None


def test_ordinary_code_is_let_in() -> None:
    files = tuple(SourceFile(path=path, text="x") for path in ("model.py", "layers/__init__.py", "ü.yaml", DIFF))

    assert refusal(Code(commit="a" * 40 + "-dirty", files=files), "train.py") is None
    assert refusal(Code(files=(SourceFile(path="a", text="\ud800"),)), "train.py") is not None
    assert refusal(Code(files=(SourceFile(path="a", text="ä" * MAX_CODE_BYTES),)), "train.py") is not None


@given(st.lists(st.text(max_size=12), max_size=4))
def test_whatever_is_let_in_lies_below_the_script(paths: list[str]) -> None:
    if refusal(Code(files=tuple(SourceFile(path=path, text="") for path in paths)), "s.py") is None:
        folder = Path("/f/script")
        assert all(folder in (folder / path).resolve().parents for path in paths)


def test_a_job_imports_what_was_queued_with_it_and_is_queued_again_as_it_was(project: Path) -> None:
    script = project / "train.py"
    script.write_text(
        "import os\n"
        "def main_fun(args, ctx):\n"
        "    here = os.path.dirname(os.path.abspath(__file__))\n"
        "    print(open(here + '/layers/deep/conv.py').read(), args[1:], flush=True)\n"
    )
    code = code_of(str(script), ["layers"], base=str(project))
    with plain_gpuqd() as gpuqd:
        client = gpuqd.client
        asked = {"script_name": "train.py", "script": script.read_text(), "args": ["a"], "code": code}
        first = client.enqueue(asked)
        client.wait(first["id"], timeout_s=60)
        spec = client.spec(first["id"])
        second = client.enqueue(spec | {"args": ["b"]})
        client.wait(second["id"], timeout_s=60)
        logs = [client.logs(job["id"], rank=0)["data"] for job in (first, second)]

        with pytest.raises(UsageError, match="below the script"):
            client.enqueue(asked | {"code": {"files": [{"path": "../x", "text": ""}]}})

    assert spec["code"] == code
    assert first["code_sha256"] == second["code_sha256"]
    assert ["# src/layers/deep/conv.py\n ['a']" in logs[0], "# src/layers/deep/conv.py\n ['b']" in logs[1]] == [
        True,
        True,
    ]
