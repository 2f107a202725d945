"""Spans of time in at most six characters."""

from __future__ import annotations


def short(seconds: float) -> str:
    """Return a span as its two largest units: "47s", "3m07s", "2h05m", "4d03h"; negative spans are "0s"."""
    whole = max(0, int(seconds))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days}d{h:02}h" if days < 100 else f"{days}d"
    if hours:
        return f"{hours}h{m:02}m"
    return f"{minutes}m{s:02}s" if minutes else f"{s}s"
