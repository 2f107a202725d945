"""What can never run, or must not be let in: refused at once, with the number that stands against it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence

from gpuq.models import JobSpec
from gpuq_daemon.policy.placement import largest_gang
from gpuq_daemon.policy.snapshot import NodeView

LONGEST_NAME = 128
LONGEST_ARGS = 64 * 1024
MOST_ARGS = 4096
MOST_WORKERS = 4096
LONGEST_LIMIT_S = 366 * 86_400


def refusal(
    spec: JobSpec,
    *,
    name: str,
    partition: str,
    nodes: Sequence[NodeView],
    gpu_kind: str,
    max_script_bytes: int,
) -> str | None:
    """Return why the job cannot be queued, in one sentence, or None if it can."""
    return (
        _bad_numbers(spec)
        or _bad_text(spec, name)
        or _bad_script(spec, max_script_bytes)
        or _never_fits(spec, partition, [n for n in nodes if n.partition == partition], gpu_kind)
    )


def _bad_numbers(spec: JobSpec) -> str | None:
    if spec.workers < 1:
        return f"A job needs at least 1 worker; this one asks for {spec.workers}."
    if spec.workers > MOST_WORKERS:
        return f"A job may have at most {MOST_WORKERS} workers; this one asks for {spec.workers}."
    if spec.gpus_per_worker < 1:
        return f"A worker needs at least 1 GPU; this job asks for {spec.gpus_per_worker}."
    if spec.gpus_per_worker > MOST_WORKERS:
        return f"A worker may have at most {MOST_WORKERS} GPUs; this job asks for {spec.gpus_per_worker}."
    if spec.time_limit_s is not None and not 1 <= spec.time_limit_s <= LONGEST_LIMIT_S:
        return f"The time limit must be between 1 second and 366 days; it is {spec.time_limit_s} s."
    return None


def _bad_text(spec: JobSpec, name: str) -> str | None:
    if not name.strip() or not name.isprintable():
        return "The job's name holds control characters or nothing: use printable characters on one line."
    if len(name) > LONGEST_NAME:
        return f"The job's name has {len(name)} characters; at most {LONGEST_NAME} are allowed."
    script_name = spec.script_name
    if not script_name.isprintable() or "/" in script_name or script_name in ("", ".", ".."):
        return "The script's name must be a plain file name."
    if len(script_name.encode(errors="surrogatepass")) > LONGEST_NAME:
        return f"The script's name is longer than {LONGEST_NAME} bytes: give the file a shorter one."
    if len(spec.args) > MOST_ARGS:
        return f"The script gets {len(spec.args)} arguments; at most {MOST_ARGS} are allowed: use a file."
    if sum(map(len, spec.args)) > LONGEST_ARGS or any("\0" in word for word in spec.args):
        return f"The script's arguments hold a zero byte or more than {LONGEST_ARGS} characters: use a file."
    try:
        "".join((name, script_name, *spec.args)).encode()
    except UnicodeEncodeError:
        return "The job's name and arguments must be valid Unicode text."
    return None


def _bad_script(spec: JobSpec, max_bytes: int) -> str | None:
    try:
        size = len(spec.script.encode())
    except UnicodeEncodeError:
        return "The script is not valid Unicode text: save it as UTF-8."
    if size > max_bytes:
        return (
            f"The script has {size / 1048576:.1f} MiB; at most {max_bytes / 1048576:.3g} MiB are allowed: "
            "keep data in files of their own."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the script's own run may warn of
            tree = ast.parse(spec.script)
    except SyntaxError as error:
        return f"The script has a syntax error in line {error.lineno}: {error.msg}."
    except (ValueError, RecursionError, MemoryError):
        return "The script is not Python that can be read: it holds a zero byte or is nested too deeply."
    if not any(_defines_main_fun(node) for node in tree.body):
        return "The script has no `main_fun`: add `def main_fun(args, ctx):`, which every worker runs."
    return None


def _defines_main_fun(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef(name="main_fun"):
            return True
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) and target.id == "main_fun" for target in targets)
        case ast.AnnAssign(target=ast.Name(id="main_fun"), value=ast.expr()):
            return True
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((alias.asname or alias.name) == "main_fun" for alias in names)
        case ast.If(body=body, orelse=orelse) | ast.Try(body=body, orelse=orelse):
            return any(_defines_main_fun(child) for child in (*body, *orelse))
        case _:
            return False


def _never_fits(spec: JobSpec, partition: str, nodes: Sequence[NodeView], gpu_kind: str) -> str | None:
    total = sum(node.gpus for node in nodes)
    kinds = gpu_kind if total == 1 else f"{gpu_kind}s"
    if spec.gpus > total:
        return f"The job asks for {spec.gpus} GPUs, the cluster has {total} {kinds} in partition {partition}."
    largest = max((node.gpus for node in nodes), default=0)
    if spec.gpus_per_worker > largest:
        return (
            f"A worker asks for {spec.gpus_per_worker} GPUs, the largest node of partition {partition} has "
            f"{largest}: use more workers with fewer GPUs each."
        )
    fit = largest_gang(tuple(nodes), spec.gpus_per_worker)
    if spec.workers > fit:
        return (
            f"The job asks for {spec.workers} workers with {spec.gpus_per_worker} GPUs each, the nodes of "
            f"partition {partition} hold {fit} such workers."
        )
    return None
