"""What somebody who has mistyped a name may have meant."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 80


def hint(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return `did you mean X?` with the nearest of the `known` names, or `otherwise` where none is near."""
    import difflib  # for those who need it only: it loads `re`

    by_fold = {_bare(name): name for name in known}
    near = difflib.get_close_matches(_bare(word[:_LONGEST]), by_fold, n=1)
    return f"did you mean {by_fold[near[0]]}?" if near else otherwise


def _bare(name: str) -> str:
    """Return what is compared: in any case, without the dashes that all options share."""
    return name.casefold().lstrip("-")
