"""What the pages speak of: two accounts, and jobs 12 to 16, on a gpuqd without Spark.

12 and 13 have trained and ended, 14 holds a GPU, 15 waits for two;
16 is a sweep of six, of which two have ended and the others are held.
"""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gpuq.client_admin import AdminClient
from tests.checkpoint.test_bundle import KEPT as CHECKPOINTS
from tests.eventfile.event_bytes import a_file, a_histogram, a_message, a_scalar, a_tensor_value, an_event
from tests.support.daemon import Gpuqd, plain_gpuqd, short_folder
from tests.support.walking import Reader

_FIRST = 12
_MORE = """
[scheduler]
half_life_d = 7.0

[notify]
sendmail = ["/bin/true"]
mail_domains = ["example.org"]
webhook_hosts = ["127.0.0.1:9"]
webhook_private = true
"""
_NOTHING = "def main_fun(args, ctx):\n    pass\n"
_TRAINS = """\
import os


def main_fun(args, ctx):
    with open(os.path.join(os.environ["GPUQ_LOG_DIR"], "events.out.tfevents.1"), "wb") as file:
        file.write({data!r})
    print("epoch 20/20", flush=True)
"""
_GOES_ON = "    import signal\n    while True:\n        signal.pause()\n"


def a_script(losses: list[float]) -> str:
    """Return a script that writes these losses, a distribution and a note as a training does."""
    events = [a_scalar("loss", step, value, 1.7e9 + step) for step, value in enumerate(losses)]
    events += [a_scalar("val/accuracy", step, 1 - value, 1.7e9 + step) for step, value in enumerate(losses)]
    events += [
        a_histogram("sequential/hidden/kernel", step, -1, 0, 10 + step, 0, 1, 30) for step in range(0, len(losses), 50)
    ]
    events.append(an_event(1.7e9, 1, a_tensor_value("note", 7, a_message(8, b"smaller steps"), plugin="text")))
    return _TRAINS.format(data=a_file(*events))


@contextmanager
def a_page_world(*, is_empty: bool = False) -> Generator[tuple[Reader, Mapping[str, str]]]:
    """Give a shell in a home where `train.py` lies, with the jobs; and the words that pages have others for.

    Where it `is_empty` there are no jobs yet. `sample_jobs/digits_sync.py` has a loss that falls, and does not end.
    """
    with plain_gpuqd(more=_MORE) as gpuqd, short_folder() as home:
        script = a_script([0.98**step for step in range(100)])
        (home / "train.py").write_text(script)
        (home / "sample_jobs").mkdir()
        goes_on = "#GPUQ --workers 2\n" + a_script([0.99**step for step in range(185)]) + _GOES_ON
        (home / "sample_jobs" / "digits_sync.py").write_text(goes_on)
        if not is_empty:
            _prepare(gpuqd, script)
        with Reader(home, _environment(gpuqd, home)) as reader:
            yield reader, _words(gpuqd, home)


def _prepare(gpuqd: Gpuqd, script: str) -> None:
    admin = AdminClient(gpuqd.client.path)
    me = admin.me()["user"]
    for account in ("nlp", "vision"):
        admin.add_account(account)
    for user, account in ((me, "vision"), ("bob", "nlp")):
        admin.add_member(user, account)
    admin.add_qos("urgent", priority=1)
    before = gpuqd.enqueue(_NOTHING, hold=True, array=f"0-{_FIRST - 2}")
    gpuqd.client.cancel(before)
    for rate in (0.98, 0.95):
        losses = a_script([rate**step for step in range(100)])
        job = gpuqd.ended(gpuqd.enqueue(losses, script_name="train.py", name="train", args=["--lr", str(rate)]))
        shutil.copytree(CHECKPOINTS / "keras", urlsplit(str(job["checkpoint_uri"])).path, dirs_exist_ok=True)
    goes_on = gpuqd.enqueue(script + _GOES_ON, script_name="long.py", name="long", time_limit_s=2400)
    gpuqd.reaches(goes_on, "RUNNING")
    gpuqd.enqueue(_NOTHING, script_name="train.py", name="train", workers=2, time_limit_s=3600)
    sweep = gpuqd.enqueue(script, script_name="train.py", name="train", hold=True, array="0-5", time_limit_s=60)
    for index in (0, 1):  # they slip in before 15
        gpuqd.client.release(sweep, index=index)
        gpuqd.ended(sweep + index)


def _environment(gpuqd: Gpuqd, home: Path) -> dict[str, str]:
    own = {"HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "GPUQ_HOST": ""}
    shown = {"COLUMNS": "80", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**own, **shown, "PATH": path, "GPUQ_SOCKET": gpuqd.client.path}


def _words(gpuqd: Gpuqd, home: Path) -> dict[str, str]:
    """Return what stands in the pages for what is another one here."""
    running = [job["ranks"][0] for job in gpuqd.client.jobs() if job["state"] == "RUNNING"]
    return {
        "ann": getpass.getuser(),
        "14:05": "now",
        "localhost:4711": f"{running[0]['host']}:{running[0]['pid']}" if running else "",
        "embedded": "plain",
        "hooks.slack.com": "127.0.0.1:9",
        "/etc/gpuq/gpuqd.toml": str(gpuqd.config),
        "/backups": str(home),
        "5000": "150",  # a synthetic trace is as good when it is small
        "70x8": "4x8",
        "40x8:a100,20x4:v100": "3x8:a100,2x4:v100",
    }
