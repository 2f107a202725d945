"""What was raised in a user's code says for itself, in a line; to say it is the user's code too, and may fail. Pure."""

from __future__ import annotations

from gpuq_job.rank_log import shortened


def words(raised: object) -> str:
    """Return what an exception, or what `sys.exit` was given, says of itself."""
    try:
        return str(raised)
    except Exception as error:
        return f"a {type(raised).__name__} whose own words failed: {type(error).__name__}"


def exit_code(request: SystemExit, who: str = "main_fun") -> tuple[int, str]:
    """Return what a process would have ended with, by the rules of `sys.exit`, and what it says if that is no success.

    A code of which a process keeps only zeros, as 256 for what `os.system` returned, is a failure all the same.
    """
    code = request.code
    if code is None or code == 0:
        return 0, ""
    if isinstance(code, int):
        return (code & 0xFF) or 1, f"{who} ended with sys.exit({code})"
    return 1, shortened(f"{who} ended with sys.exit: {words(code).strip()}")


def one_line(error: BaseException) -> str:
    """Return an exception's type and message in one line."""
    text = " ".join(words(error).split())
    return shortened(f"{type(error).__name__}: {text}") if text else type(error).__name__
