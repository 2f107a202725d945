"""Parts of a whole as bars of letters, which need no colour."""

from __future__ import annotations


def bar(part: float, whole: float, width: int) -> str:
    """Return `#` for `part` and `.` for the rest of `whole`, in `width` cells."""
    filled = 0 if whole <= 0 else round(width * max(0.0, min(1.0, part / whole)))
    return "#" * filled + "." * (width - filled)


def used_of_due(used: float, due: float, width: int) -> str:
    """Return `used` against `due`, both in 0..1 of `width` cells: `#` used, `.` due and free, `!` used beyond due."""
    to_used, to_due = (round(width * max(0.0, min(1.0, part))) for part in (used, due))
    if to_used > to_due:
        return ("#" * to_due + "!" * (to_used - to_due)).ljust(width)
    return ("#" * to_used + "." * (to_due - to_used)).ljust(width)
