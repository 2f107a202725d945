"""Whether a text is a script that ranks can run. It needs nothing but Python: other processes read this file alone."""

from __future__ import annotations

import ast
import warnings


def fault(text: str) -> str | None:
    """Return why this is no script with a `main_fun`, in one sentence, or None if it is one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the script's own run may warn of
            tree = ast.parse(text)
    except SyntaxError as error:
        where = "" if error.lineno is None else f" in line {error.lineno}"
        return f"The script has a syntax error{where}: {error.msg.rstrip('.')}."
    except (ValueError, RecursionError, MemoryError):
        return "The script is not Python that can be read: it holds a zero byte, is too long or nested too deeply."
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
