"""Whether a script can become a job: it parses and has the functions that are called, with their two arguments."""

from __future__ import annotations

import _ast as ast  # the nodes alone: the module around them loads a dozen others
import warnings

from gpuq.errors import UsageError
from gpuq.text import clean


def check_main_fun(text: str, path: str) -> None:
    """Check that the script parses and has a `main_fun(args, ctx)` at top level.

    What cannot be known without running it (decorated, assigned or imported) is let through.

    Raises:
        UsageError: the script cannot become a job.
    """
    _check(text, clean(path), "main_fun", "args, ctx", "which every worker runs")


def check_feed(text: str, path: str) -> None:
    """Check that the script parses and has a `feed(sc, args)` at top level, as `check_main_fun` does.

    Raises:
        UsageError: the script cannot be fed.
    """
    _check(text, clean(path), "feed", "sc, args", "which returns the RDD that --epochs is about")


def check_driver(text: str, path: str) -> None:
    """Check that a driver script, which is run whole, parses.

    Raises:
        UsageError: it does not.
    """
    _parse(text, clean(path))


def _check(text: str, shown: str, name: str, arguments: str, purpose: str) -> None:
    binding = _binding(_parse(text, shown).body, name)
    if binding is None:
        raise UsageError(f"{shown} has no {name} at top level; define `def {name}({arguments}):`, {purpose}.")
    if isinstance(binding, ast.AsyncFunctionDef):
        raise UsageError(f"{shown} line {binding.lineno}: {name} is async; make it a plain function.")
    known = _known_arguments(binding)
    if known is not None and not _takes_two(known):
        raise UsageError(
            f"{shown} line {binding.lineno}: {name} cannot be called with two arguments; "
            f"define it as `def {name}({arguments}):`."
        )


def _parse(text: str, shown: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a script is its author's matter
            tree = compile(text.removeprefix("\ufeff"), "<script>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        where = f" line {error.lineno}" if error.lineno else ""
        raise UsageError(f"{shown}{where}: syntax error: {clean(error.msg)}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{shown} cannot be parsed: {clean(str(error)) or 'it is nested too deeply'}.") from error
    assert isinstance(tree, ast.Module)
    return tree


def _binding(statements: list[ast.stmt], name: str) -> ast.stmt | None:
    """Return the last statement at module level that gives `name` a value when the script is imported."""
    found: ast.stmt | None = None
    for statement in statements:
        found = statement if _binds(statement, name) else _binding(_blocks(statement), name) or found
    return found


def _binds(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound) | ast.ClassDef(name=bound):
            return bound == name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((alias.asname or alias.name) in (name, "*") for alias in names)
        case ast.Assign(targets=targets):
            return any(_names(target, name) for target in targets)
        case ast.AnnAssign(target=target, value=value):
            return value is not None and _names(target, name)
        case _:
            return False


def _names(target: ast.expr, name: str) -> bool:
    match target:
        case ast.Name(id=bound):
            return bound == name
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return any(_names(part, name) for part in parts)
        case ast.Starred(value=part):
            return _names(part, name)
        case _:
            return False


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
