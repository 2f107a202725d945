"""What does the same here as a line of Slurm, for those whose fingers know that one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ADMIN = {
    "account": "gpuq admin account",
    "user": "gpuq admin user",
    "assoc": "gpuq admin user",
    "qos": "gpuq admin qos",
    "reservation": "gpuq admin reservation",
}
_SHOWN = {
    "job": "`gpuq show ID`, with the number alone",
    "step": "`gpuq show ID`: a job has ranks, not steps",
    "node": "`gpuq nodes`; of one's past `gpuq admin node history NODE`",
    "partition": "`gpuq free`",
    "reservation": "`gpuq admin reservation list`",
    "config": "`gpuqd check` on its host",
    "assoc": "`gpuq share`, `gpuq admin limit list`",
    "hostnames": "`gpuq nodes`",
}
_SCONTROL = {
    "hold": "`gpuq hold ID`",
    "uhold": "`gpuq hold ID`",
    "release": "`gpuq release ID`",
    "requeue": "`gpuq requeue ID`",
    "requeuehold": "`gpuq requeue --hold ID`",
    "suspend": "`gpuq requeue --hold ID`: nothing is suspended, a job goes on from its checkpoint once it is released",
    "resume": "`gpuq release ID`",
    "top": "`gpuq update ID priority=top`",
    "create": "`gpuq admin reservation create NAME`",
    "delete": "`gpuq admin reservation delete NAME`",
    "reconfigure": "`gpuqd reload` on its host",
    "ping": "`gpuq admin diag`",
    "write": "`gpuq show ID --code`",
    "listpids": "`gpuq trace HOST:PID`",
    "notify": "`gpuq enqueue --notify`, when it is queued",
}
_CHANGED = {
    "job": "`gpuq update ID FIELD=VALUE`, with the number alone",
    "node": "`gpuq admin node drain NODE --reason TEXT`, `gpuq admin node resume NODE`",
    "partition": "a table of gpuqd.toml, and `gpuqd reload`",
    "reservation": "`gpuq admin reservation delete`, and `create` again",
}
_SIMPLE = {
    "salloc": "nothing: jobs are Python scripts, never interactive; `gpuq enqueue --wait` follows one to its end",
    "scrontab": "`gpuq enqueue --begin TIME`, from a crontab of your own",
    "sstat": "`gpuq show ID`, `gpuq gpus`",
    "seff": "`gpuq report ID`",
    "sdiag": "`gpuq admin diag`",
    "sbcast": "`gpuq enqueue --files`",
    "strigger": "`gpuq enqueue --notify`",
    "suspend": _SCONTROL["suspend"],
    "resume": _SCONTROL["resume"],
    "smap": "`gpuq top --view nodes`",
    "sview": "`gpuq top`",
    "nvidia-smi": "`gpuq gpus`",
}


def instead(words: Sequence[str]) -> str | None:
    """Return what does here what a line of Slurm does there; None where a verb alone tells enough, or it is none."""
    said = [*(word.lower() for word in words if not word.startswith("-")), "", "", ""]
    verb, first, second = said[:3]
    match verb:
        case "scontrol" if first == "show":
            return shown(second) or "`gpuq show ID`, `gpuq nodes`"
        case "scontrol" if first == "update":
            return _found(_CHANGED, second.partition("=")[0]) or _CHANGED["job"]
        case "scontrol":
            return _SCONTROL.get(first)
        case "sacctmgr":
            return next((f"`{_ADMIN[one]}`" for noun in said[1:] for one in _ADMIN if noun.startswith(one)), None)
        case "sreport":
            if first == "cluster" and second.startswith("util"):
                return "`gpuq admin report --utilisation`"
            return None
        case _:
            return _SIMPLE.get(verb)


def shown(kind: str) -> str | None:
    """Return what shows such things, as `scontrol show` names them; None where it is none of its words."""
    return _found(_SHOWN, kind.lower().partition("=")[0])


def _found(known: dict[str, str], word: str) -> str | None:
    """Return what is said of a word, its plural, or `jobid`, `nodename`, ...: Slurm takes all of them."""
    bare = word.removesuffix("id").removesuffix("name").removesuffix("s")
    return known.get(word) or known.get(bare)
