"""What pages have people type is typed: on a gpuqd without Spark, but for the two pages that need the real one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import FIRST_DAY, TUTORIAL, blocks, documents, is_program, is_shell
from tests.support.page_world import a_page_world
from tests.support.unrun import NOT_RUN, key, reason_not_to_run
from tests.support.walking import steps, walk

SHOWN = {"text", "toml", "python", "js"}
WITHOUT_JOBS = {"README.md", "policy.md", "security.md", "operations.md"}
PAGES = [file for file in documents() if file not in (TUTORIAL, FIRST_DAY) and any(steps(file, {}))]


@pytest.mark.timeout(600)  # forty commands one after the other, on a machine that does other things too
@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_page_can_be_typed_from_its_start_to_its_end(file: Path) -> None:
    with a_page_world(is_empty=file.name in WITHOUT_JOBS) as (reader, instead):
        walk(file, reader, instead)


def test_every_block_says_what_it_is_and_none_of_what_is_only_shown_looks_like_a_command() -> None:
    all_blocks = [block for file in documents() for block in blocks(file)]

    assert [b for b in all_blocks if not is_shell(b) and not is_program(b) and b.language not in SHOWN] == []
    looks = re.compile(r"^(?:\$ |gpuqd? [a-z-]+(?: (?!\()|$)|curl -|make [a-z]|pip )", re.MULTILINE)
    assert [block for block in all_blocks if block.language == "text" and looks.search(block.text)] == []


def test_what_is_not_run_is_still_there_and_has_a_reason() -> None:
    there = {key(block) for file in documents() for block in blocks(file) if is_shell(block)}

    assert set(NOT_RUN) <= there
    assert all(len(why) > 10 for why in NOT_RUN.values())
    assert all(
        reason_not_to_run(block) is None for file in documents() for block in blocks(file) if not is_shell(block)
    )


def program(name: str) -> str:
    """Return the one whole program in the documents whose first line ends so."""
    (text,) = [
        b.text for file in documents() for b in blocks(file) if is_program(b) and b.text.splitlines()[0].endswith(name)
    ]
    return text


def test_the_health_check_that_is_shown_says_which_node_is_ill(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nexit $ILL\n")
    ssh.chmod(0o755)
    for ill, said in (("1", "nvidia-smi fails on n7\n"), ("0", "")):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GPUQ_NODE_HOST": "n7", "ILL": ill}
        done = subprocess.run(["sh", "-c", program("sh")], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (int(ill), said)


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"time_limit_s": None, "partition": "a"}, '{"job": {"time_limit_s": 14400}}\n'),
        ({"time_limit_s": 90_000, "partition": "long"}, ""),
        (
            {"time_limit_s": 90_000, "partition": "a"},
            '{"refuse": "Jobs of more than a day go to the partition long: add -p long."}\n',
        ),
    ],
)
def test_the_submit_filter_that_is_shown_changes_and_refuses_jobs(job: dict[str, object], said: str) -> None:
    words = [sys.executable, "-c", program("python3")]
    done = subprocess.run(words, input=json.dumps({"job": job}), capture_output=True, text=True, check=True)
    assert done.stdout == said


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_reader_of_the_stream_in_javascript_has_the_rows() -> None:
    (script,) = [block.text for file in documents() for block in blocks(file) if block.language == "js"]
    ends = "\nsetInterval(() => { if (rows.size) { console.log(Math.min(...rows.keys())); process.exit(); } }, 10);\n"

    with a_page_world() as (reader, _):
        Path(reader.folder, "client.js").write_text(script + ends)
        assert reader.type("node client.js") == ("14\n", 0)
