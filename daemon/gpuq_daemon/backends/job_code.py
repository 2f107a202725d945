"""Puts gpuq's own part where pods can read it: beside the jobs' files, on the volume that they see.

So an image holds Python, Spark and TensorFlowOnSpark, and need not be made anew with each version of gpuq.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import gpuq_job
from gpuq_daemon.backends import submit

GPU_FINDER = Path(__file__).with_name("gpus.sh")


def put(jobs: Path) -> Path:
    """Return a folder below `jobs` that is a Python path with `gpuq_job`, and has Spark's log settings and `gpus.sh`.

    It is named by what it holds: jobs that run keep the one that they began with. Everybody may read it.
    """
    source = Path(gpuq_job.__file__).parent
    modules = sorted(source.glob("**/*.py"))
    files = {
        **{Path("gpuq_job") / module.relative_to(source): module for module in modules},
        **{Path(file.name): file for file in (submit.log_settings(), GPU_FINDER)},
    }
    contents = {name: file.read_bytes() for name, file in files.items()}
    seal = hashlib.sha256(b"".join(b"%r %r" % (str(name).encode(), text) for name, text in contents.items()))
    folder = jobs / f".code-{seal.hexdigest()[:16]}"
    if folder.exists():
        return folder
    draft = jobs / f"{folder.name}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    for name, text in contents.items():
        file = draft / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
        file.chmod(0o755 if file.suffix == ".sh" else 0o644)
    for at, _, _ in os.walk(draft):
        Path(at).chmod(0o755)
    try:
        draft.rename(folder)
    except OSError:  # somebody was quicker
        shutil.rmtree(draft, ignore_errors=True)
    return folder
