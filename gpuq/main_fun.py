"""Whether a script can become a job: it parses and has a `main_fun` that takes `(args, ctx)`."""

from __future__ import annotations

import ast
import warnings

from gpuq.errors import UsageError
from gpuq.text import clean


def check_main_fun(text: str, path: str) -> None:
    """Check that the script parses and has a `main_fun(args, ctx)` at top level.

    What cannot be known without running it (decorated, assigned or imported) is let through.

    Raises:
        UsageError: the script cannot become a job.
    """
    shown = clean(path)
    binding = _binding(_parse(text, shown).body)
    if binding is None:
        raise UsageError(
            f"{shown} has no main_fun at top level; define `def main_fun(args, ctx):`, which every worker runs."
        )
    if isinstance(binding, ast.AsyncFunctionDef):
        raise UsageError(f"{shown} line {binding.lineno}: main_fun is async; make it a plain function.")
    arguments = _known_arguments(binding)
    if arguments is not None and not _takes_two(arguments):
        raise UsageError(
            f"{shown} line {binding.lineno}: main_fun cannot be called with two arguments; "
            "define it as `def main_fun(args, ctx):`."
        )


def _parse(text: str, shown: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a script is its author's matter
            return ast.parse(text.removeprefix("\ufeff"))
    except SyntaxError as error:
        where = f" line {error.lineno}" if error.lineno else ""
        raise UsageError(f"{shown}{where}: syntax error: {clean(error.msg)}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{shown} cannot be parsed: {clean(str(error)) or 'it is nested too deeply'}.") from error


def _binding(statements: list[ast.stmt]) -> ast.stmt | None:
    """Return the last statement at module level that gives `main_fun` a value when the script is imported."""
    found: ast.stmt | None = None
    for statement in statements:
        found = statement if _binds(statement) else _binding(_blocks(statement)) or found
    return found


def _binds(statement: ast.stmt) -> bool:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name == "main_fun"
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((alias.asname or alias.name) in ("main_fun", "*") for alias in names)
        case ast.Assign(targets=targets):
            return any(_names_main_fun(target) for target in targets)
        case ast.AnnAssign(target=target, value=value):
            return value is not None and _names_main_fun(target)
        case _:
            return False


def _names_main_fun(target: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "main_fun" for node in ast.walk(target))


def _blocks(statement: ast.stmt) -> list[ast.stmt]:
    """Return the statements that a compound statement may run at module level."""
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            return orelse if _is_main_guard(test) else body + orelse
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            return body + [inner for handler in handlers for inner in handler.body] + orelse + final
        case ast.With(body=body):
            return body
        case _:
            return []


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _known_arguments(binding: ast.stmt) -> ast.arguments | None:
    match binding:
        case ast.FunctionDef(args=arguments, decorator_list=[]):
            return arguments
        case ast.Assign(value=ast.Lambda(args=arguments)) | ast.AnnAssign(value=ast.Lambda(args=arguments)):
            return arguments
        case _:
            return None


def _takes_two(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    needs_keyword = any(default is None for default in arguments.kw_defaults)
    return required <= 2 and (positional >= 2 or arguments.vararg is not None) and not needs_keyword
