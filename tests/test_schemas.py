"""What `--json` prints is what is published: every verb's, of a real gpuqd, and no change without a new version."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gpuq.cli import main
from gpuq.client_admin import AdminClient
from reference import schemas
from reference.commands import verbs
from tests.checkpoint.test_bundle import KEPT
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.test_curves_course import _NOTES, _WRITES, a_training  # pyright: ignore[reportPrivateUsage]

# Job 1 has trained, 2 has notes, 3 is held, 4 to 6 are an array that is held; what is changed comes last.
LINES = {
    "queue": "queue --json",
    "queue --at": "queue --at {now} --json",
    "show": "show 1 --json",
    "show --code": "show 1 --code --json",
    "show --text": "show 2 --text --json",
    "show --pictures": "show 2 --pictures --json",
    "why": "why 3 --json",
    "when": "when 3 --json",
    "history": "history --json",
    "logs": "logs 1 --json",
    "events": "events 1 --json",
    "plot": "plot 1 loss --json",
    "plot --list": "plot 1 --list --json",
    "histogram": "histogram 1 hidden/kernel --json",
    "compare": "compare 1 2 loss --json",
    "checkpoint": "checkpoint 1 --json",
    "checkpoint --list": "checkpoint 1 --list --json",
    "weights": "weights 1 {weight} --json",
    "trace": "trace {application} --json",
    "notices": "notices --json",
    "prio": "prio --json",
    "prio ID": "prio 3 --json",
    "share": "share --json",
    "share --ledger": "share --ledger --json",
    "usage": "usage --json",
    "free": "free --json",
    "nodes": "nodes --json",
    "gpus": "gpus --json",
    "admin account list": "admin account list --json",
    "admin user list": "admin user list --json",
    "admin qos list": "admin qos list --json",
    "admin limit list": "admin limit list --json",
    "admin reservation create": "admin reservation create x --nodes plain-2 --start now+1hour --end now+2hours --json",
    "admin reservation list": "admin reservation list --json",
    "admin node list": "admin node list --json",
    "admin token list": "admin token list --json",
    "admin audit": "admin audit --json",
    "admin diag": "admin diag --json",
    "admin eta-report": "admin eta-report --json",
    "admin replay": "admin replay --at {now} --json",
    "admin what-if": "admin what-if 'drain plain-1' --json",
    "admin report": "admin report --json",
    "admin report --utilisation": "admin report --utilisation --json",
    "admin node history": "admin node history --json",
    "enqueue": "enqueue {script} --hold --json",
    "enqueue --test-only": "enqueue {script} --test-only --json",
    "resubmit": "resubmit 3 --json",
    "update": "update 3 nice=5 --json",
    "release": "release 3 --json",
    "wait": "wait 1 --json",
    "hold": "hold 4_1 --json",
    "requeue": "requeue 1 --json",
    "cancel": "cancel 3 4 --json",
}
_VALIDATORS: Any = import_module("jsonschema_rs")  # comes with schemathesis


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        for data in (a_training(0.05), _NOTES.read_bytes() + a_training(0.02)):
            script = _WRITES.format(name="events.out.tfevents.1", data=data)
            daemon.ended(daemon.enqueue(script, notify="failed", notify_to="command:/bin/true"))
        shutil.copytree(KEPT / "keras", urlsplit(str(daemon.client.job(1)["checkpoint_uri"])).path, dirs_exist_ok=True)
        empty = "def main_fun(args, ctx):\n    pass\n"
        daemon.enqueue(empty, hold=True, notify="all", notify_to="command:/bin/true", time_limit_s=60)
        daemon.enqueue(empty, hold=True, array="0-2")
        fails = "def main_fun(args, ctx):\n    raise ValueError('no')\n"
        told = daemon.enqueue(fails, notify="failed", notify_to="command:/bin/false")
        daemon.ended(told)
        until(lambda: bool(daemon.client.messages(job=told)), timeout_s=30, what="a message")
        admin = AdminClient(daemon.client.path)
        admin.add_account("bio")
        admin.add_member(admin.me()["user"], "bio")
        admin.create_token(None, "x", None)
        admin.drain("plain-2", "fan")
        admin.set_limit("user", admin.me()["user"], {"running_gpus": 8})
        yield daemon


_FIRST = schemas.Version(version="1.3", digest="")


def _documents(out: str, verb: str) -> list[Any]:
    text = out.strip()
    return (
        [json.loads(line) for line in text.splitlines()]
        if isinstance(schemas.OUTPUTS[verb], tuple)
        else [json.loads(text)]
    )


def test_every_verbs_output_is_what_its_schema_says(
    gpuqd: Gpuqd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", gpuqd.client.path)
    script = tmp_path / "train.py"
    script.write_text("def main_fun(args, ctx):\n    pass\n")
    words = {
        "script": str(script),
        "now": "now",
        "application": gpuqd.client.job(1)["application_id"],
        "weight": gpuqd.client.checkpoint(1)["weights"][0]["name"],
    }
    for verb, line in LINES.items():
        code = main([word.format(**words) for word in shlex.split(line)])
        said = capfd.readouterr()

        assert code == 0, f"{line}: {said.err}"
        found = _documents(said.out, verb)
        assert found, f"{line} printed nothing"
        validator = _VALIDATORS.validator_for(schemas.published(verb)[1])
        errors = [f"{line}: {error}" for one in found for error in validator.iter_errors(one)]
        assert not errors, errors[0]


def test_every_verb_that_prints_json_publishes_what() -> None:
    client, _ = verbs()
    printing = {
        " ".join(verb.words[1:])
        for verb in client.all()
        if len(verb.words) > 1 and any("--json" in names for names, _ in verb.options)
    }

    published = {verb.partition(" --")[0].removesuffix(" ID") for verb in schemas.OUTPUTS}
    assert printing == published
    assert set(LINES) == set(schemas.OUTPUTS)


@pytest.mark.parametrize("verb", schemas.OUTPUTS)
def test_a_schema_does_not_change_without_a_new_version(verb: str) -> None:
    """Run `python -m reference.schemas` after a change: it writes the next version, and what has changed."""
    made, there = schemas.schema_of(verb), schemas.versions()[verb]

    version, kept = schemas.published(verb)

    assert schemas.changes(kept, made) == []
    assert there[-1].digest == schemas.digest_of(made), "python -m reference.schemas"
    assert version == there[-1].version
    assert all(schemas.file_of(verb, version.major).exists() for version in there)


@pytest.mark.parametrize(
    ("before", "version", "told"),
    [("less", "1.1", "/$defs/Job/properties/account is new"), ("more", "2.0", "/$defs/Job/properties/colour is gone")],
)
def test_what_has_changed_is_written_under_the_next_version(
    tmp_path: Path, before: str, version: str, told: str
) -> None:
    schemas.write(tmp_path)
    old = schemas.schema_of("show")
    job = old["$defs"]["Job"]
    if before == "less":
        del job["properties"]["account"]
        job["required"].remove("account")
    else:
        job["properties"]["colour"] = {"type": "string"}
    schemas.file_of("show", 1, tmp_path).write_text(schemas.text_of({**old, "x-version": "1.0"}))
    known = json.loads((tmp_path / "versions.json").read_text())
    known["show"][0]["digest"] = schemas.digest_of(old)
    (tmp_path / "versions.json").write_text(json.dumps(known))

    schemas.write(tmp_path)

    first, last = schemas.versions(tmp_path)["show"]
    assert (first.version, last.version) == ("1.0", version)
    assert told in last.changes
    assert not [line for line in last.changes if "x-version" in line]
    assert schemas.published("show", tmp_path) == (version, schemas.schema_of("show"))
    assert schemas.versions(tmp_path)["why"] == [
        schemas.Version(version="1.0", digest=schemas.versions(tmp_path)["why"][0].digest)
    ]
    assert set(tmp_path.glob("show.v*.json")) == {
        schemas.file_of("show", int(v[0]), tmp_path) for v in ("1.0", version)
    }


def test_every_file_of_a_schema_is_one_that_is_on_record() -> None:
    on_record = {schemas.file_of(verb, one.major) for verb, all_of in schemas.versions().items() for one in all_of}

    assert set(schemas.FOLDER.glob("*.v*.json")) == on_record


def _changed(change: str) -> dict[str, Any]:
    made = schemas.schema_of("show")
    job = made["$defs"]["Job"]
    match change:
        case "a field is gone":
            del job["properties"]["account"]
        case "another type":
            job["properties"]["id"] = {"type": "string"}
        case "may be null":
            job["properties"]["name"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
        case "not always there":
            job["required"].remove("id")
        case "a value is gone":
            del made["$defs"]["Rank"]
        case "one more field":
            job["properties"]["colour"] = {"type": "string"}
            job["required"].append("colour")
        case "one more state":
            made["$defs"]["JobState"]["enum"].append("LOST")
        case _:
            job["description"] = "In other words."
    return made


@pytest.mark.parametrize(
    "change", ["a field is gone", "another type", "may be null", "not always there", "a value is gone"]
)
def test_what_breaks_a_reader_is_seen_and_takes_a_major_version(change: str) -> None:
    old, new = schemas.schema_of("show"), _changed(change)

    assert schemas.breaks(old, new)
    assert _FIRST.next(old, new).version == "2.0"
    assert schemas.changes(old, new)


@pytest.mark.parametrize("change", ["one more field", "one more state"])
def test_what_breaks_nobody_takes_a_minor_version_and_says_what_it_is(change: str) -> None:
    old, new = schemas.schema_of("show"), _changed(change)
    after = _FIRST.next(old, new)

    assert schemas.breaks(old, new) == []
    assert after.version == "1.4"
    assert any("colour" in line or "JobState" in line for line in after.changes)
    assert after.digest not in (_FIRST.digest, schemas.digest_of(old))


def test_other_words_alone_are_written_too() -> None:
    old, new = schemas.schema_of("show"), _changed("other words")

    assert schemas.changes(old, new) == []
    assert schemas.digest_of(new) != schemas.digest_of(old)


def test_a_schema_can_be_failed() -> None:
    validator = _VALIDATORS.validator_for(schemas.schema_of("show"))
    job = {"id": "x"}

    assert not validator.is_valid(job)
    assert any("id" in str(error) for error in validator.iter_errors(job))
