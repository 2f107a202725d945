"""The one list of what documents have people type and no test executes, each with its reason."""

from __future__ import annotations

from tests.support.documents import Block

# By the page and the first line of the block.
NOT_RUN: dict[tuple[str, str], str] = {
    ("README.md", "make demo"): "takes minutes; tests/real/test_whole_path.py runs the demo itself",
    ("tutorial.md", "make setup"): "installs three gigabytes; .ci/run does it",
    ("install.md", "python3 -m venv /opt/gpuq"): "installs three gigabytes; .ci/run does the same in .venv",
    (
        "install.md",
        "pip wheel --no-deps .",
    ): "builds and installs; tests/test_packages.py and `make bench ONLY=install` do",
    ("install.md", "/opt/gpuq/bin/gpuqd unit --config /etc/gpuq/gpuqd.toml > /etc/systemd/system/gpuqd.service"): (
        "needs systemd; tests/test_unit.py checks the unit"
    ),
    (
        "install.md",
        "export GPUQ_HOST=ssh://gpu1.example.org",
    ): "needs a second host; tests/test_remote_course.py logs in to this one",
    ("operations.md", "python3 -m venv /opt/gpuq && /opt/gpuq/bin/pip install -c constraints.txt '.[daemon,job]'"): (
        "installs three gigabytes and needs systemd; tests/test_unit.py checks the unit, install.md has the rest"
    ),
    ("operations.md", "journalctl -u gpuqd -o cat | jq 'select(.job_id == 12)'"): "needs a journal",
    ("CONTRIBUTING.md", "make setup"): "these are what runs the tests, and take minutes; .ci/run is made of them",
    (
        "CONTRIBUTING.md",
        "uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header --no-annotate \\",
    ): ("asks a registry for the newest versions of everything"),
}


def reason_not_to_run(block: Block) -> str | None:
    """Return why a block is not executed; None where it is."""
    return NOT_RUN.get(key(block))


def key(block: Block) -> tuple[str, str]:
    """Return what a block is known by: its page, and its first line without a comment."""
    return block.file, block.text.partition("\n")[0].partition("  #")[0].strip()
