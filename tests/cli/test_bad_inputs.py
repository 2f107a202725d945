"""Two hundred ways to misuse the command line: each is one sentence, none a traceback, none queues a job.

All in one process, against a real gpuqd.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.cli import main
from tests.support.daemon import Gpuqd, plain_gpuqd

_MAIN = "def main_fun(args, ctx):\n    pass\n"
_NUMBERS = ["-1", "1.5", "x", "", "0x10", "99999999999999999999999", "1e3", "١x", "--", "\x00", "\udcff"]
_OF_COUNTS = ["0", *_NUMBERS]
_COUNTS = ["--workers", "--gpus-per-worker", "--nodes"]
_VALUES = {
    "--time": ["", "-1", "x", "1:2:3:4:5", "0", "99999999999d", "1h1h1", "nan", "inf", "\x1b[31m"],
    "--begin": ["x", "", "yesterdayish", "now-", "now+x", "25:61", "9999-99-99", "\x1b]0;x\x07"],
    "--deadline": ["x", "", "now+", "2020-13-01", "1970-01-01"],
    "--array": ["", "x", "1-", "-", "5-1", "0-99%0", "0-9999999999", "%4", "1-2-3", "0-5%x", "a-b"],
    "--dependency": ["x", "afterok", "afterok:", "afterok:x", "afterok:99999", "before:1", "singleton:1", ","],
    "--partition": ["nowhere", "", "../x", "\x1b[31m", "x" * 10_000],
    "--account": ["nobody", "", "../x", "a b", "\x1b[31m"],
    "--qos": ["none-such", "", "\x1b[31m"],
    "--gpu-type": ["h9000", "\x1b[31m"],
    "--name": ["\x1b[31m", "a\nb", "x" * 100_000, "\x00", "‮abc"],
    "--memory-per-worker": ["-1", "x", "1Q", "99999999999999G"],
    "--cpus-per-worker": ["-1", "x", "1.5", "99999999999999999"],
    "--nice": ["x", "99999999999999999999", "1.5"],
    "--signal": ["x", "-1", "0", "99999999999d"],
    "--reservation": ["none-such", "\x1b[31m"],
    "--no-such-option": ["1"],
}
_ENQUEUE = [
    *([option, value] for option in _COUNTS for value in _OF_COUNTS),
    *([option, value] for option, values in _VALUES.items() for value in values),
    ["--workers"],
    ["--workers", "3"],  # only two nodes of one GPU are there
    ["--gpus-per-worker", "2"],
    ["--nodes", "2", "--workers", "1"],
    ["--nodes", "3", "--workers", "3"],
]
_WITH_ID = ["show", "why", "logs", "plot", "wait", "cancel", "hold", "release", "requeue", "prio"]
_IDS = ("", "x", "-1", "0", "1.5", "99999", "9" * 30, "1_x", "../1", "\x1b[31m")
_WORDS = [
    *([verb, word] for verb in _WITH_ID for word in _IDS),
    *([verb] for verb in _WITH_ID if verb != "prio"),
    ["update"], ["update", "1"], ["update", "99", "nice=1"], ["update", "1", "nice"], ["update", "1", "=1"],
    ["update", "x", "nice=1"], ["update", "1", "script=x"], ["update", "1", "nice=x"],
    ["enqueue"], ["enqueue", "/no/such/file.py"], ["enqueue", "/"], ["enqueue", "/dev/null"], ["enqueue", ""],
    ["enqueue", "\x00"], ["enqueue", "a.py", "b.py"], ["nonsense"], ["queu"], ["--nonsense"], ["-Z"],
    ["admin", "nonsense"], ["admin", "account", "add"], ["admin", "account", "add", "../x"],
    ["admin", "account", "add", "a", "--shares", "-1"], ["admin", "account", "add", "a", "--parent", "none"],
    ["admin", "user", "add", "x y", "--account", "root"], ["admin", "user", "add", "x", "--account", "none"],
    ["admin", "limit", "set", "user:x"], ["admin", "limit", "set", "user:x", "running-gpus=-1"],
    ["admin", "limit", "set", "planet:x", "running-gpus=1"], ["admin", "limit", "set", "user:x", "nonsense=1"],
    ["admin", "node", "drain", "none", "--reason", "x"], ["admin", "node", "drain", "plain-1"],
    ["admin", "node", "drain", "plain-1", "--reason", ""], ["admin", "node", "resume", "none"],
    ["share", "--account", "none"], ["share", "x"], ["queue", "x"], ["queue", "--nonsense"],
    ["logs", "1", "--rank", "-1"],
    *(["history", option, word] for option in ("--since", "--limit", "--regex") for word in ("[", "(", "\udcff(")),
    ["history", "--since", "x" * 5000],
    *([*verb, word] for verb in (["weights", "1"], ["plot", "1"], ["checkpoint", "1", "--at"]) for word in _IDS),
    *(["admin", "token", *words] for words in (["revoke", "x"], ["revoke", "9" * 30], ["create", "--expires", "x"])),
    *(["--host", host, "queue"] for host in ("ssh://-x", "https://", "https://a:99999", "x" * 5000, "ftp://x")),
    ["admin", "account", "modify", "\udcff", "--shares", "\udcff"], ["nodes", "x" * 5000], ["admin", "qos", "add", ""],
    ["admin", "audit", "--since", "x"], ["admin", "reservation", "delete", "x" * 5000],
]  # fmt: skip


@pytest.fixture(scope="module")
def daemon() -> Iterator[Gpuqd]:
    with plain_gpuqd() as running:
        yield running


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scripts") / "train.py"
    file.write_text(_MAIN)
    return file


def _refused(
    daemon: Gpuqd, words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", daemon.client.path)
    before = daemon.client.jobs(everything=True)
    code = main(words)
    said = capfd.readouterr()

    assert code not in (0, 130, 141)
    assert "Traceback" not in said.err
    assert said.err.strip()
    assert "\x1b" not in said.err
    assert "\x07" not in said.err
    assert len(said.err) < 2000, "a sentence, not what was typed once more"
    assert daemon.client.jobs(everything=True) == before


@pytest.mark.parametrize("options", _ENQUEUE, ids=lambda words: ascii(" ".join(words))[1:60])
def test_an_impossible_job_is_refused(
    daemon: Gpuqd, script: Path, options: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _refused(daemon, ["enqueue", *options, str(script)], monkeypatch, capfd)


@pytest.mark.parametrize("words", _WORDS, ids=lambda words: ascii(" ".join(words))[1:60])
def test_bad_words_are_refused(
    daemon: Gpuqd, words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _refused(daemon, words, monkeypatch, capfd)


@pytest.mark.parametrize(
    "text",
    [
        "", "x = 1\n", "def main_fun(:\n", "\x00", f"{_MAIN}\x00", "def main_fun():\n    pass\n",
        f"#GPUQ --workers x\n{_MAIN}",
        f"#GPUQ --nonsense\n{_MAIN}", f"#GPUQ --workers '\n{_MAIN}",
        "(" * 5000, "\ufeff(", "# -*- coding: nonsense -*-\n",
        "async def main_fun(args, ctx):\n    pass\n",
    ],
)  # fmt: skip
def test_a_script_that_cannot_run_is_refused(
    daemon: Gpuqd, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    _refused(daemon, ["enqueue", str(file)], monkeypatch, capfd)


def test_there_are_two_hundred() -> None:
    assert len(_ENQUEUE) + len(_WORDS) + 13 >= 200
