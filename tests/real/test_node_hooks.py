"""The site's programs beside ranks, on real Spark: a node on which one fails is drained, and its job runs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.client_admin import AdminClient
from tests.support.daemon import Gpuqd, short_folder

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]
_WORDS = "$GPUQ_SCRIPT_CONTEXT $GPUQ_JOB_ID $GPUQ_RANK $GPUQ_NODE $GPUQ_RANK_EXIT_CODE"
_SAYS = f"#!/bin/sh\ncd {{folder}}\necho {_WORDS} >> said\n"
_ONCE = "test -e was-bad && exit 0\ntouch was-bad\necho 'scratch is full'\nexit 3\n"


@pytest.fixture
def folder(gpuqd: Gpuqd) -> Iterator[Path]:
    """Give a folder with a prolog that fails the first time, and an epilog; gpuqd is told of both, for a while."""
    before = gpuqd.config.read_text()
    admin = AdminClient(gpuqd.client.path)
    with short_folder() as made:
        made.chmod(0o777)
        tables = ""
        for name, more in (("prolog", _ONCE), ("epilog", "")):
            hook = made / name
            hook.write_text(_SAYS.format(folder=made) + more)
            hook.chmod(0o755)
            tables += f'[hooks.node_{name}]\npath = "{hook}"\n'
        gpuqd.config.write_text(f"{before}\n{tables}")
        admin.reload()
        yield made
        gpuqd.config.write_text(before)
        admin.reload()
        for drain in admin.drains():
            admin.resume(drain["node"])


def test_a_node_whose_prolog_fails_is_drained_and_the_job_runs_on_another(gpuqd: Gpuqd, folder: Path) -> None:
    script = "def main_fun(args, ctx):\n    print('it runs')\n"

    job = gpuqd.ended(gpuqd.enqueue(script, workers=1), timeout_s=200)

    [drain] = AdminClient(gpuqd.client.path).drains()
    first, second, last = (line.split() for line in (folder / "said").read_text().splitlines())
    assert (job["state"], job["attempt"], job["nodes"]) == ("COMPLETED", 2, [second[3]])
    assert (first[0], second[0], last[0]) == ("node_prolog", "node_prolog", "node_epilog")
    assert first[1:3] == second[1:3] == last[1:3] == [str(job["id"]), "0"]
    assert last[3:] == [second[3], "0"]
    assert (drain["node"], drain["by_user"]) == (first[3], "(node hook)")
    assert drain["reason"] == f"job {job['id']}: node prolog {folder}/prolog ended with exit code 3: scratch is full."
