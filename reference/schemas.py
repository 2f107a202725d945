"""What `--json` of every verb prints, as JSON Schemas (2020-12): made from the values that the code prints.

`python -m reference.schemas` writes them to docs/schemas, a file a verb. A schema that changes gets the next version;
files of versions before stay as they are, and `docs/schemas/versions.json` says which one counts.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypedDict, cast

import msgspec

from gpuq.diagnosis import Diagnosis
from gpuq.gpus import Gpu
from gpuq.identity import AuditRow, TokenRow
from gpuq.models import (
    Checkpoint,
    CheckpointContents,
    Code,
    Compared,
    Curve,
    Distribution,
    Histograms,
    Hparam,
    Job,
    Message,
    Node,
    Picture,
    PriorityTerm,
    Series,
    Text,
    Why,
)
from gpuq.sharing import AccountRow, Drain, LimitRow, Member, QosRow, ReservationRow, WasteRow
from gpuq.tracing import Traced
from gpuq_daemon.api.ahead import EtaReport, WouldMove
from gpuq_daemon.api.history import Ended
from gpuq_daemon.api.logs import LogPiece
from gpuq_daemon.api.record import QueueThen, Replayed
from gpuq_daemon.api.shares import LedgerList, ShareList
from gpuq_daemon.api.usage import Usage

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schemas"


class FreeRow(TypedDict):
    """What of a partition's GPUs of one model is free: on all nodes, and at most on one."""

    partition: str
    gpu: str
    nodes: int
    gpus: int
    busy: int
    free: int
    out: int
    largest: int


class CodeOf(TypedDict):
    """What a job runs."""

    script_name: str
    script: str
    code: Code | None


class Hparams(TypedDict):
    """Hyperparameters by job."""

    hparams: dict[str, list[Hparam]]


class Happened(TypedDict):
    """Something that happened, at a Unix time; what `data` holds is the event's."""

    event: str
    at: float
    data: Any


class AdminReport(TypedDict):
    """A report of use: in all, by day, and waits by period."""

    gpus: int
    total: Usage
    days: Usage
    periods: Usage
    wasted: list[WasteRow]


# One value, or (where it is a tuple) lines, each of one of these.
OUTPUTS: dict[str, Any] = {
    "queue": list[Job],
    "queue --at": QueueThen,
    "show": Job,
    "show --code": CodeOf,
    "show --text": (Text,),
    "show --pictures": (Picture,),
    "why": Why,
    "when": Why,
    "enqueue": Job,
    "enqueue --test-only": Why,
    "resubmit": Job,
    **dict.fromkeys(("cancel", "hold", "release", "requeue", "update", "wait"), (Job,)),
    "history": Ended,
    "logs": (LogPiece,),
    "events": (Happened,),
    "plot": (Curve,),
    "plot --list": (Series,),
    "histogram": Histograms,
    "compare": (Compared, Hparams),
    "checkpoint": CheckpointContents,
    "checkpoint --list": list[Checkpoint],
    "weights": Distribution,
    "trace": Traced,
    "notices": list[Message],
    "prio": list[Job],
    "prio ID": list[PriorityTerm],
    "share": ShareList,
    "share --ledger": LedgerList,
    "usage": Usage,
    "free": list[FreeRow],
    "nodes": list[Node],
    "gpus": list[Gpu],
    "admin account list": list[AccountRow],
    "admin user list": list[Member],
    "admin qos list": list[QosRow],
    "admin limit list": list[LimitRow],
    "admin reservation create": ReservationRow,
    "admin reservation list": list[ReservationRow],
    "admin node list": list[Drain],
    "admin token list": list[TokenRow],
    "admin audit": list[AuditRow],
    "admin diag": Diagnosis,
    "admin eta-report": EtaReport,
    "admin replay": Replayed,
    "admin what-if": WouldMove,
    "admin report": AdminReport,
}
# Measured numbers that may be NaN or infinite, which JSON has not: null.
_MAY_BE_NAN = {("Progress", "value")}


def schema_of(verb: str) -> dict[str, Any]:
    """Return the schema of what a verb prints: of all of it, or of each of its lines."""
    of_lines = isinstance(OUTPUTS[verb], tuple)
    kinds: tuple[Any, ...] = OUTPUTS[verb] if of_lines else (OUTPUTS[verb],)
    made, parts = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for name, part in parts.items():
        _complete(name, part)
    what = "each line of" if of_lines else "all of"
    body = made[0] if len(made) == 1 else {"anyOf": list(made)}
    title = f"gpuq {verb}" if verb.endswith(" ID") or " --" in verb else f"gpuq {verb} --json"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title.replace(" --json", "") + " --json",
        "description": f"What this is, {what} the output. Further fields may come without a new version.",
        **body,
        "$defs": parts,
    }


def _complete(name: str, part: dict[str, Any]) -> None:
    """Say what is so of all that is printed: every field is there, and NaN is null."""
    if "properties" not in part:
        return
    part["required"] = sorted(part["properties"])
    for field, kind in part["properties"].items():
        kind.pop("default", None)  # said of what is read
        if (name, field) in _MAY_BE_NAN:
            kind["type"] = [kind["type"], "null"]


def text_of(verb: str) -> str:
    """Return the schema as its file holds it."""
    return json.dumps(schema_of(verb), indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def digest_of(verb: str) -> str:
    """Return what tells one schema of a verb from another: words about it do not count."""
    return hashlib.sha256(json.dumps(_bare(schema_of(verb)), sort_keys=True).encode()).hexdigest()[:16]


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        return {key: _bare(part) for key, part in parts.items() if key not in ("description", "title")}
    return [_bare(part) for part in cast("list[Any]", value)] if isinstance(value, list) else value


def file_of(verb: str, version: int) -> Path:
    """Return where a version of a verb's schema is."""
    return FOLDER / f"{verb.replace(' ', '-').replace('--', '-').replace('--', '-')}.v{version}.json"


def versions() -> dict[str, dict[str, Any]]:
    """Return by verb which version counts, and its digest."""
    path = FOLDER / "versions.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write() -> None:
    """Write the schemas that are new or have changed, these under their next version."""
    FOLDER.mkdir(exist_ok=True)
    known = versions()
    for verb in OUTPUTS:
        before = known.get(verb, {"version": 0, "digest": ""})
        if before["digest"] != digest_of(verb):
            known[verb] = {"version": before["version"] + 1, "digest": digest_of(verb)}
        file_of(verb, known[verb]["version"]).write_text(text_of(verb))
    kept = {verb: known[verb] for verb in OUTPUTS}
    (FOLDER / "versions.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    write()
