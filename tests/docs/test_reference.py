"""What can be looked up: nothing of the code is left out, no link is dead, roff can read the manual."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.cli.commands import COMMANDS
from gpuq.models import JobState, Reason
from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.fairtree import fair_tree
from reference.__main__ import write
from reference.commands import verbs
from reference.manual import escaped
from reference.manual import pages as manual
from reference.pages import pages
from reference.settings import tables
from reference.words import REASONS, STATES
from tests.support.daemon import plain_gpuqd
from tests.support.documents import ROOT, documents

ROFF = shutil.which("groff")
MANDOC = shutil.which("mandoc")


def test_every_verb_and_each_of_its_options_is_in_the_reference_and_in_the_manual() -> None:
    client, daemon = verbs()

    assert [verb.words[-1] for verb in client.below] == list(COMMANDS)
    for command, page in ((client, "reference/gpuq.md"), (daemon, "reference/gpuqd.md")):
        text = pages()[page]
        for verb in command.all():
            assert f"# {verb.name}\n" in text
            assert all(names.replace("|", "\\|") in text for names, _ in verb.options)
    assert {f"man1/gpuq-{name}.1" for name in COMMANDS} < set(manual())
    assert "\\-\\-stop\\-on" in manual()["man1/gpuq-enqueue.1"]


def test_every_key_of_the_configuration_has_its_type_and_its_default() -> None:
    keys = {(table.head, key.name): key for table in tables() for key in table.keys}

    assert keys["", "state_dir"].default is None
    assert (keys["", "kill_wait_s"].kind, keys["", "kill_wait_s"].default) == ("a number from 0 to 600", "2.0")
    assert keys["[scheduler]", "policy"].kind == '"fair-first" or "multifactor" or "tiered"'
    assert keys["[scheduler.billing]", "gpu_types"].kind == "a table of a number from 0 to 1000000"
    assert keys['[partition.NAME] with engine = "yarn"', "queue"].default == '"default"'
    assert keys['[partition.NAME] with engine = "kubernetes"', "volume"].kind == "a table"
    assert keys["[scheduler.weights]", "partition"].kind == "a whole number from 0"
    page = manual()["man5/gpuqd.toml.5"]
    assert all(key.name.replace("-", "\\-") in page for key in keys.values())


def test_states_and_reasons_are_all_explained() -> None:
    assert set(STATES) == set(JobState)
    assert set(REASONS) == set(Reason)


def test_every_route_and_every_metric_that_there_is_is_in_the_reference() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    made = pages()
    assert all(f" {path}`" in made["reference/api.md"] for path in document["paths"])
    with plain_gpuqd() as gpuqd:
        text = curl(gpuqd.client.path)
    told = set(re.findall(r"# TYPE (\S+)", text))
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", made["reference/metrics.md"], re.MULTILINE))
    assert told
    assert told <= listed


def curl(socket: str) -> str:
    done = subprocess.run(
        ["curl", "-s", "--unix-socket", socket, "http://gpuq/metrics"], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_site_is_built_and_no_link_in_it_is_dead(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    html = {file.relative_to(tmp_path).as_posix(): file.read_text() for file in tmp_path.rglob("*.html")}
    wanted = {file.with_suffix(".html").name for file in documents() if file.parent == ROOT / "docs"}
    assert wanted | {"index.html", "reference/gpuqd.toml.html"} <= set(html)
    for name, text in html.items():
        assert not re.search(r'<(?:script|img)[^>]* src="(?:https?:)?//', text), f"{name} loads from elsewhere"
        assert not re.search(r'<link[^>]*stylesheet[^>]* href="(?:https?:)?//', text), f"{name} loads from elsewhere"


@pytest.mark.skipif(ROFF is None and MANDOC is None, reason="neither groff nor mandoc is installed")
def test_every_manual_page_is_one_that_roff_reads_without_a_warning(tmp_path: Path) -> None:
    check = ["groff", "-man", "-Tutf8", "-ww", "-z"] if ROFF else ["mandoc", "-Tlint", "-Wwarning"]
    files = list(write(tmp_path).values())
    done = subprocess.run([*check, *files], capture_output=True, text=True, check=False)

    assert len(files) > len(COMMANDS)
    assert (done.stdout, done.stderr) == ("", "")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_no_text_becomes_a_request_of_roff(text: str) -> None:
    shown = escaped(text)

    assert not shown.startswith((".", "'"))
    assert re.sub(r"\\(?:e|-|&|\(ga|\(ha|\(ti)", "", shown).count("\\") == 0


def test_the_numbers_of_the_fair_share_page_are_those_of_the_code() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (ROOT / "docs" / "fair-share.md").read_text().splitlines()
        if line.startswith("| ")
    ]
    told = {row[0].split(",")[0]: row for row in rows if len(row) == 6 and row[1].isdigit()}
    people = {name: row[0].partition(", in ")[2] for name, row in told.items() if ", in " in row[0]}
    tree = Tree(
        accounts=(
            Account(name="root", parent=None),
            *(Account(name=n, shares=int(r[1])) for n, r in told.items() if n not in people),
        ),
        associations=tuple(Association(user=u, account=a, shares=int(told[u][1])) for u, a in people.items()),
    )
    found = fair_tree(tree, {(a, u): float(told[u][2]) for u, a in people.items()})

    shares = {**found.accounts, **{user: share for (_, user), share in found.users.items()}}
    assert set(people) == {"ann", "bob", "carl"}
    for name, row in told.items():
        share = shares[name]
        level = share.level_fs or 0.0
        assert row[3:] == [f"{share.used:.3g}", f"{share.due:.3g}", f"{level:.3g}"], name
    ranks = {row[0]: row[1:] for row in rows if len(row) == 4 and row[0] in people}
    for name, row in ranks.items():
        share = shares[name]
        assert row == [f"{share.rank} of 3", f"{share.factor:.3g}", str(int(100_000 * (share.factor or 0)))]
    assert len(ranks) == 3
