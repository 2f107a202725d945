"""What `--json` of every verb prints, as JSON Schemas (2020-12): made from the values that the code prints.

`python -m reference.schemas` writes them to docs/schemas, a file a verb. Whatever changes gets a new version: 1.1 after
1.0 where more came, 2.0 in a file of its own where a reader would break. `docs/schemas/versions.json` is the record of
them all, each with its digest and what changed; the last one of a verb counts.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import msgspec

from gpuq.diagnosis import Diagnosis
from gpuq.gpus import Gpu
from gpuq.identity import AuditRow, TokenRow
from gpuq.models import Code, Hparam, Job, Message, Node, PriorityTerm, Why
from gpuq.sharing import AccountRow, Drain, LimitRow, Member, QosRow, ReservationRow, WasteRow
from gpuq.summaries import (
    Checkpoint,
    CheckpointContents,
    Compared,
    Curve,
    Distribution,
    Histograms,
    Picture,
    Series,
    Text,
)
from gpuq.tracing import Traced
from gpuq_daemon.api.ahead import EtaReport, WouldMove
from gpuq_daemon.api.history import Ended
from gpuq_daemon.api.logs import LogPiece
from gpuq_daemon.api.record import QueueThen, Replayed
from gpuq_daemon.api.shares import LedgerList, ShareList
from gpuq_daemon.api.usage import Usage
from gpuq_daemon.api.utilisation import NodeHistory, Utilisation

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
    """A report of use: in all, how full it was, waits by period and by gang, and what was for nothing."""

    total: Usage
    utilisation: Utilisation
    periods: Usage
    gangs: Usage
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
    "admin report --utilisation": Utilisation,
    "admin node history": NodeHistory,
}
# Measured numbers that may be NaN or infinite, which JSON has not: null.
_WORDS = frozenset({"title", "description", "default"})
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
        "description": f"What this is, {what} the output. Further fields may come with the next minor version.",
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


def text_of(schema: dict[str, Any]) -> str:
    """Return a schema as its file holds it."""
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def digest_of(schema: dict[str, Any]) -> str:
    """Return what tells a schema from any other."""
    return hashlib.sha256(text_of(schema).encode()).hexdigest()[:16]


def breaks(old: Any, new: Any, where: str = "") -> list[str]:
    """Return where a reader of what `old` says would go wrong with what `new` says.

    Fields, words of an enumeration and descriptions may be added; whatever else differs breaks somebody.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        found = [f"{where}/{key} is gone" for key in before if key not in after and key not in _WORDS]
        if "properties" not in before and "$defs" not in before and not _is_names(where):
            found += [f"{where}/{key} is new" for key in after if key not in before and key not in _WORDS]
        shared = [key for key in before if key in after and (key not in _WORDS or _is_names(where))]
        return [*found, *(one for key in shared for one in breaks(before[key], after[key], f"{where}/{key}"))]
    if isinstance(old, list) and isinstance(new, list) and where.endswith(("/required", "/enum")):
        gone = set(cast("list[Any]", old)) - set(cast("list[Any]", new)) if where.endswith("/required") else set[Any]()
        return [f"{where}: {one} is not always there any more" for one in sorted(gone)]
    if isinstance(old, list) and isinstance(new, list):
        parts = list(zip(cast("list[Any]", old), cast("list[Any]", new), strict=False))
        lengths = [] if len(parts) == max(len(cast("list[Any]", old)), len(cast("list[Any]", new))) else [where]
        return [*lengths, *(one for n, (a, b) in enumerate(parts) for one in breaks(a, b, f"{where}/{n}"))]
    return [] if old == new else [f"{where}: {old} became {new}"]


def changes(old: Any, new: Any, where: str = "") -> list[str]:
    """Return what differs between two schemas, a line for each place; other words in a description do not."""
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        keys = [key for key in sorted({*before, *after}) if key not in _WORDS or _is_names(where)]
        gone = [f"{where}/{key} is gone" for key in keys if key not in after]
        came = [f"{where}/{key} is new" for key in keys if key not in before]
        shared = [key for key in keys if key in before and key in after]
        return [*gone, *came, *(one for key in shared for one in changes(before[key], after[key], f"{where}/{key}"))]
    return [] if old == new else [f"{where} is another"]


def _is_names(where: str) -> bool:
    """Whether the keys there are names of fields or of values, not words of JSON Schema."""
    return where.endswith(("/properties", "/$defs"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a verb's schema: what it is called, its digest, and what of the one before it changed."""

    version: str
    digest: str
    changes: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """Which file it is in."""
        return int(self.version.partition(".")[0])

    def next(self, old: dict[str, Any], new: dict[str, Any]) -> Version:
        """Return the version after this one."""
        major, _, minor = self.version.partition(".")
        name = f"{int(major) + 1}.0" if breaks(old, new) else f"{major}.{int(minor) + 1}"
        return Version(version=name, digest=digest_of(new), changes=tuple(changes(old, new)))


def file_of(verb: str, major: int, folder: Path = FOLDER) -> Path:
    """Return where the schema of a verb is, of a major version."""
    return folder / f"{verb.replace(' ', '-').replace('--', '-').replace('--', '-')}.v{major}.json"


def versions(folder: Path = FOLDER) -> dict[str, list[Version]]:
    """Return by verb all versions that there were, the one that counts last."""
    path = folder / "versions.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, list[Version]]) if path.exists() else {}


def published(verb: str, folder: Path = FOLDER) -> tuple[str, dict[str, Any]]:
    """Return the version that counts, as its file says it, and its schema."""
    schema = json.loads(file_of(verb, versions(folder)[verb][-1].major, folder).read_text())
    return schema.pop("x-version"), schema


def write(folder: Path = FOLDER) -> None:
    """Write what has changed anew, each under its next version."""
    folder.mkdir(exist_ok=True)
    known = versions(folder)
    for verb in OUTPUTS:
        made = schema_of(verb)
        if verb not in known:
            known[verb] = [Version(version="1.0", digest=digest_of(made))]
        elif digest_of(made) != known[verb][-1].digest:
            known[verb].append(known[verb][-1].next(published(verb, folder)[1], made))
        last = known[verb][-1]
        file_of(verb, last.major, folder).write_text(text_of({**made, "x-version": last.version}))
    text = msgspec.json.format(msgspec.json.encode({verb: known[verb] for verb in OUTPUTS}), indent=1)
    (folder / "versions.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    write()
