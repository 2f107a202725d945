"""Pictures of a job, each in a file of a folder."""

from __future__ import annotations

import os

from gpuq.cli import terminal
from gpuq.cli.saving import save
from gpuq.errors import GpuqError, NotFoundError, UsageError
from gpuq.text import clean, fit
from gpuq.units import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Client, Json

_MOST = 2000
_LONGEST_NAME = 100
_ENDINGS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"BM", "bmp"))


def save_pictures(client: Client, job_id: int, tags: Sequence[str], folder: str) -> None:
    """Write a job's pictures, of some tags or of all, into a folder, made if missing.

    Raises:
        NotFoundError: there is none.
        GpuqError: it cannot be written.
    """
    if folder == "-":
        raise UsageError("Pictures go into a folder, a file each: name it by --out.")
    found = client.pictures(job_id, at_most=_MOST)
    wanted = [one for one in found if not tags or one["tag"] in tags]
    if not wanted:
        raise NotFoundError(f"Job {job_id} has no such picture; `gpuq show {job_id} --pictures` lists what it has.")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise GpuqError(f"Cannot make {fit(clean(folder), 200)}: {error.strerror or error}.") from error
    for one in wanted:
        data = client.one_picture(job_id, one["id"])
        ending = next((ending for begins, ending in _ENDINGS if data.startswith(begins)), "bin")
        save(os.path.join(folder, f"{_name(one)}.{ending}"), [data], is_told=False)
    terminal.say(f"Wrote {plural(len(wanted), 'picture')} into {fit(clean(folder), 200)}.")


def _name(one: Json) -> str:
    """Return a file's name: letters, digits and a few signs of foreign words, and its number, so that all differ."""
    said = f"{one['run']}-{one['tag']}" if one["run"] != "." else one["tag"]
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in said)
    return f"{plain[:_LONGEST_NAME]}-{one['step']}-{one['number']}-{one['id']}"
