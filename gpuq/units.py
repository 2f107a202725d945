"""Times, sizes and counts as people write and read them."""

from __future__ import annotations

from gpuq.errors import NotFoundError, UsageError

MAX_TIME_LIMIT_S = 366 * 86400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DAY_S = 86400
_FURTHEST_S = 100 * 366 * 86400
_LONG_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "min": 60, "sec": 1} | {
    "m": 60,
    "h": 3600,
    "d": 86400,
}
_MAX_JOB_ID = 2**62 - 1  # what the API takes


def parse_time_limit(text: str) -> int:
    """Return a time limit in seconds, from 1 second to 366 days.

    `90` is minutes, `30m`, `2h` and `1h30m` say their units, and `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM` and
    `D-HH:MM:SS` are as in Slurm.

    Raises:
        UsageError: anything else.
    Source: Slurm, sbatch, `--time`.
    """
    word = text.strip().lower()
    seconds = _clock_time(word) if ":" in word or "-" in word else _with_units(word)
    if seconds is None:
        raise UsageError(
            f"{_quoted(text)} is not a time limit: write minutes (90), units (30m, 2h, 1h30m), HH:MM:SS or D-HH:MM:SS."
        )
    if not 1 <= seconds <= MAX_TIME_LIMIT_S:
        raise UsageError(f"The time limit {_quoted(text)} is not between 1 second and 366 days.")
    return seconds


def _with_units(word: str) -> int | None:
    if _is_number(word):
        return int(word) * 60
    seconds, digits, left = 0, "", "dhms"
    for c in word:
        if c.isascii() and c.isdigit():
            digits += c
        elif c in left and _is_number(digits):
            seconds += int(digits) * _SECONDS[c]
            digits, left = "", left[left.index(c) + 1 :]
        else:
            return None
    return seconds if word and not digits else None


def _clock_time(word: str) -> int | None:
    days, dash, clock = word.rpartition("-")
    parts = clock.split(":")
    if not all(_is_number(part) for part in (*parts, *([days] if dash else []))) or len(parts) > 3:
        return None
    numbers = [int(part) for part in parts]
    if dash:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    else:
        hours, minutes, seconds = [0, 0, *numbers][-3:]
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def parse_moment(text: str, *, now: float) -> float:
    """Return a time as Unix seconds; what names no day or zone is local, and a mere time of day is the next such.

    `now`, `now+30minutes`, `now+1h30m`, `now+90` (seconds), `HH:MM[:SS]`, `midnight`, `noon`, `today`, `tomorrow`,
    `YYYY-MM-DD` and `YYYY-MM-DDTHH:MM[:SS]`. `today` is now, and `tomorrow` the same time of the next day.

    Raises:
        UsageError: anything else, or a day that no calendar has.
    Source: Slurm, sbatch, `--begin`.
    """
    word = text.strip().lower()
    at = _from_now(word, now) if word.startswith("now") else _on_calendar(word, now)
    if at is None:
        raise UsageError(f"{_quoted(text)} is not a time: write now+2hours, HH:MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM.")
    return at


def parse_past(text: str, *, now: float) -> float:
    """Return a time that has passed as Unix seconds.

    `now-2days`, `2d` and `1h30m` count back, and a mere time of day is the last such; otherwise as `parse_moment`.

    Raises:
        UsageError: anything else.
    """
    word = text.strip().lower()
    ago = None if _is_number(word) else _with_units(word)
    if ago is not None:
        return now - ago
    if word.startswith("now-") and len(word) > 4:
        return 2 * now - parse_moment(f"now+{word[4:]}", now=now)
    at = parse_moment("today" if word == "yesterday" else text, now=now)
    if word == "yesterday" or (at > now and "-" not in word and not word.startswith(("now", "tomorrow"))):
        import time

        day = time.localtime(at)
        return time.mktime((*day[:2], day[2] - 1, *day[3:6], 0, 0, -1))
    return at


def parse_day(text: str, *, now: float) -> float:
    """Return where a time that is added up by days begins or ends, as Unix seconds.

    Such days are UTC days: `YYYY-MM-DD`, `today` and `yesterday` are those wherever it is asked; else as `parse_past`.

    Raises:
        UsageError: anything else.
    """
    word = text.strip().lower()
    if word in ("today", "yesterday"):
        return (now // DAY_S - (word == "yesterday")) * DAY_S
    at = parse_past(text, now=now)
    if word.count("-") != 2 or "t" in word:  # no mere day
        return at
    import time

    return at + time.localtime(at).tm_gmtoff


def _from_now(word: str, now: float) -> float | None:
    rest = word[3:].replace(" ", "")
    if not rest:
        return now
    digits = rest[1:].rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _LONG_UNITS.get(rest[1 + len(digits) :].removesuffix("s") or "second")
    if rest[0] != "+" or len(rest) > 24:
        return None
    seconds = int(digits) * unit if unit is not None and _is_number(digits) else _with_units(rest[1:])
    return now + seconds if seconds is not None and seconds <= _FURTHEST_S else None


def _on_calendar(word: str, now: float) -> float | None:
    import time

    today = time.localtime(now)
    if word == "today":
        return now
    if word == "tomorrow":
        return time.mktime((*today[:2], today[2] + 1, today[3], today[4], today[5], 0, 0, -1))
    day, t, clock = word.partition("t") if word[:1].isdigit() and "-" in word else ("", "", word)
    hms = _time_of_day({"midnight": "00:00", "noon": "12:00"}.get(clock, clock)) if clock or not day else (0, 0, 0)
    if hms is None or (t and not clock):
        return None
    if day:
        parts = day.split("-")
        if [len(part) for part in parts] != [4, 2, 2] or not all(_is_number(part) for part in parts):
            return None
        date = (int(parts[0]), int(parts[1]), int(parts[2]))
        return _local(date, hms)
    at = _local(today[:3], hms)
    return at if at is None or at > now else time.mktime((*today[:2], today[2] + 1, hms[0], hms[1], hms[2], 0, 0, -1))


def _local(date: tuple[int, int, int], hms: tuple[int, int, int]) -> float | None:
    import time

    try:
        at = time.mktime((*date, *hms, 0, 0, -1))
    except (OverflowError, ValueError):
        return None
    return at if time.localtime(at)[:3] == date else None  # 02-30 would be 03-02


def _time_of_day(clock: str) -> tuple[int, int, int] | None:
    parts = clock.split(":")
    if not 2 <= len(parts) <= 3 or not all(_is_number(part) and len(part) <= 2 for part in parts):
        return None
    hours, minutes, seconds = [*(int(part) for part in parts), 0][:3]
    return (hours, minutes, seconds) if hours < 24 and minutes < 60 and seconds < 60 else None


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 12


def parse_count(text: str, what: str) -> int:
    """Return how many `what` ("workers") are asked for, at least 1.

    Raises:
        UsageError: it is no whole number from 1 to 1 000 000.
    """
    word = text.strip()
    if not _is_number(word.removeprefix("-")):
        raise UsageError(f"{_quoted(text)} is not a number of {what}: ask for a whole number from 1.")
    if not 1 <= int(word) <= 1_000_000:
        raise UsageError(f"A job cannot have {int(word)} {what}: ask for a whole number from 1.")
    return int(word)


def parse_job_id(text: str) -> int:
    """Return the number of a job.

    Raises:
        UsageError: it is no whole number from 1.
        NotFoundError: it is larger than any job's number can be.
    """
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        raise UsageError(f"{_quoted(text)} is not a job number: give a whole number from 1, as `gpuq queue` shows.")
    if len(text.lstrip("0")) > 19 or int(text) > _MAX_JOB_ID:
        raise NotFoundError(f"There is no job {text[:40]}.")
    return int(text)


def parse_task(text: str) -> tuple[int, int | None]:
    """Return job and index of a task as `12_3` names it, or the job alone and None.

    Raises:
        UsageError: it is neither.
        NotFoundError: the number is larger than any job's can be.
    """
    job, underscore, index = text.partition("_")
    if not underscore:
        return parse_job_id(text), None
    if not _is_number(index):
        raise UsageError(f"{_quoted(text)} is not a task of an array: write JOB_INDEX, for example 12_3.")
    return parse_job_id(job), int(index)


def parse_memory(text: str) -> int:
    """Return memory in MiB, from `4096` (MiB), `512M`, `16G`, `16GiB` or `1T`.

    Raises:
        UsageError: anything else.
    """
    word = text.strip().lower().removesuffix("b").removesuffix("i")
    factor = {"m": 1, "g": 1024, "t": 1024 * 1024}.get(word[-1:])
    digits = word if factor is None else word[:-1]
    if not _is_number(digits):
        raise UsageError(f"{_quoted(text)} is not an amount of memory: write MiB (4096), or 512M, 16G, 1T.")
    return int(digits) * (1 if factor is None else factor)


def parse_whole(text: str, what: str) -> int:
    """Return a whole number, also below zero.

    Raises:
        UsageError: it is none, or has more than 12 digits.
    """
    word = text.strip().removeprefix("+")
    if not _is_number(word.removeprefix("-")):
        raise UsageError(f"{_quoted(text)} is not {what}: give a whole number.")
    return int(word)


_TWO = tuple(f"{n:02}" for n in range(60))  # half of the time that a table of ten thousand takes for its spans


def duration(seconds: float) -> str:
    """Return a time span as `[D-]HH:MM:SS`, whole seconds, never below zero."""
    total = max(0, int(seconds))
    days, rest = divmod(total, 86400)
    clock = f"{_TWO[rest // 3600]}:{_TWO[rest % 3600 // 60]}:{_TWO[rest % 60]}"
    return f"{days}-{clock}" if days else clock


def size(n_bytes: int) -> str:
    """Return bytes in binary units with one decimal: `10.0 MiB`."""
    value = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{n_bytes} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def number(value: float | None) -> str:
    """Return a measured value with four significant digits; `-` where there is none."""
    return "-" if value is None else f"{value:.4g}"


def moment(at: float | None) -> str:
    """Return a Unix time as local `YYYY-MM-DD HH:MM:SS`; `-` where there is none."""
    if at is None:
        return "-"
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def utc_moment(at: float) -> str:
    """Return a Unix time as `YYYY-MM-DD HH:MM` in UTC, by whose days use is added up."""
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def time_near(at: float, now: float) -> str:
    """Return a moment in as few letters as tell it: `14:05`, or `27 Nov 14:05` where that is not within a day."""
    import time

    form = "%H:%M" if 0 <= at - now < 20 * 3600 else "%d %b %H:%M"
    return time.strftime(form, time.localtime(at))


def roughly(seconds: float) -> str:
    """Return a time span that is only thought to be so, no finer than that: `20 min`, `2.5 h`, `3 days`."""
    minutes = seconds / 60
    if minutes < 57.5:
        return f"{max(1, round(minutes)) if minutes < 10 else 5 * round(minutes / 5)} min"
    hours = minutes / 60
    if hours < 36:
        return f"{round(2 * hours) / 2:g} h" if hours < 9.75 else f"{round(hours)} h"
    return f"{round(hours / 24)} days"


def time_about(at: float, now: float) -> str:
    """Return a moment that is only thought to be so, no finer than that: to 1 to 60 minutes, by how far it is away."""
    away_s = abs(at - now)
    grain_s = 60 if away_s < 7200 else 300 if away_s < 6 * 3600 else 1800 if away_s < 86_400 else 3600
    return time_near(max(now, grain_s * round(at / grain_s)), now)


def plural(count: int, one: str) -> str:
    """Return `1 worker`, `2 workers`."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def servers(ps: int, *, evaluator: bool) -> list[str]:
    """Return what of a job has no GPU, in words: `2 parameter servers`, `an evaluator`."""
    return [*([plural(ps, "parameter server")] if ps else []), *(["an evaluator"] if evaluator else [])]


def _quoted(text: str) -> str:
    from gpuq.text import clean, fit

    return f"'{fit(clean(text), 60)}'"
