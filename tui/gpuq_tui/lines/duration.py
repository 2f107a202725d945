"""Spans of time in at most six letters."""

from __future__ import annotations


def short(seconds: float) -> str:
    """Return a span in words: "47s", "3m", "2h05m", "4d03h"; negative spans are "0s".

    From a minute on there are no seconds: they would make every row of a table change each second.
    """
    whole = max(0, int(seconds))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days}d{h:02}h" if days < 100 else f"{days}d"
    if hours:
        return f"{hours}h{m:02}m"
    return f"{minutes}m" if minutes else f"{s}s"
