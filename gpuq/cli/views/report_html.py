"""A report of a job as one HTML page that needs nothing from elsewhere: it may be mailed, or kept beside a paper.

Everything foreign is escaped, and the page forbids itself to load or run anything.
"""

from __future__ import annotations

from html import escape

from gpuq.cli.views.checkpoint import step_of
from gpuq.cli.views.job import job_facts
from gpuq.text import clean
from gpuq.units import duration, moment, number, plural, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.cli.reporting import Report
    from gpuq.client import Json

_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 60em; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ddd }
table { border-collapse: collapse } th, td { text-align: left; padding: .15em 1em .15em 0; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
pre { background: #f5f5f5; padding: .8em; overflow-x: auto; font-size: 13px }
svg { max-width: 100%; height: auto } .bad { color: #b00020 } .small { color: #666; font-size: .9em }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report, pictures: Sequence[str], heat: Sequence[str], now: float) -> str:
    """Return the page; `pictures` and `heat` are SVG elements as gpuqd made them, of curves and of distributions."""
    job = report.job
    title = _text(f"Job {job['id']} ({job['name']})")
    body = [
        f"<h1>{title}: {_text(str(job['state']))}</h1>",
        f'<p class="small">{_text(moment(now))}</p>',
        _facts(job, now),
        _error(job),
        "<h2>Time</h2>",
        _timeline(job, now),
        "<h2>Curves</h2>",
        *(f"<figure>{one}</figure>" for one in pictures),
        _scalars(report.scalars),
        *(["<h2>Distributions</h2>", *(f"<figure>{one}</figure>" for one in heat)] if heat else []),
        "<h2>Checkpoints and weights</h2>",
        _checkpoints(report),
        *map(_weights, report.weights),
        f"<h2>The end of rank {report.log_rank}'s log</h2>",
        f"<pre>{_text(chr(10).join(report.log), keep=chr(10) + chr(9)) or '-'}</pre>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n<style>{_STYLE}</style></head>\n'
        f"<body>\n{chr(10).join(part for part in body if part)}\n</body></html>\n"
    )


def _text(text: str, keep: str = "") -> str:
    return escape(clean(text, keep=keep))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> str:
    kinds = [' class="n"' if name in numbers else "" for name in header]
    head = "".join(f"<th{kind}>{_text(name)}</th>" for name, kind in zip(header, kinds, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{kind}>{_text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    ]
    return f"<table><tr>{head}</tr>\n{chr(10).join(lines)}</table>"


def _facts(job: Json, now: float) -> str:
    rows = [
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>"
        for name, value in job_facts(job, now)
        if value is not None
    ]
    return f"<table>{chr(10).join(rows)}</table>"


def _error(job: Json) -> str:
    if job["error"] is None and not job["error_tail"]:
        return ""
    tail = "\n".join(job["error_tail"])
    return f'<p class="bad">{_text(job["error"] or "failed")}</p><pre>{_text(tail, keep=chr(10) + chr(9))}</pre>'


def _timeline(job: Json, now: float) -> str:
    """Return a bar of the wait, the setting up and the training."""
    places = (
        ("submitted_at", "waited", "#bbbbbb"),
        ("started_at", "set up", "#e6a23c"),
        ("running_at", "trained", "#2a9134"),
    )
    end = job["ended_at"] if job["ended_at"] is not None else now
    known = [(job[field], word, color) for field, word, color in places if job[field] is not None]
    first, span = known[0][0], max(end - known[0][0], 1e-9)
    bars: list[str] = []
    said: list[str] = []
    for (at, word, color), until in zip(known, [*(one[0] for one in known[1:]), end], strict=True):
        left, wide = 800 * (at - first) / span, 800 * max(0.0, until - at) / span
        bars.append(f'<rect x="{left:.1f}" y="0" width="{wide:.1f}" height="22" fill="{color}"/>')
        said.append(f"{word} {duration(until - at)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="22" viewBox="0 0 800 22">{"".join(bars)}</svg>'
        f"<p>{_text(', '.join(said))}</p>"
    )


def _scalars(scalars: Sequence[Json]) -> str:
    if not scalars:
        return "<p>None yet.</p>"
    rows = [
        (
            one["tag"],
            number(job["last"]),
            str(job["last_step"]),
            number(job["best"]),
            str(job["best_step"]),
            str(job["count"]),
            number(job["steps_per_s"]),
        )
        for one in scalars
        for job in one["jobs"]
    ]
    header = ("Tag", "Last", "at step", "Best", "at step ", "Points", "Steps/s")
    return _table(header, rows, header[1:])


def _checkpoints(report: Report) -> str:
    damage = f'<p class="bad">{_text(report.damage)}</p>' if report.damage else ""
    if not report.checkpoints:
        return "<p>None.</p>" + damage
    rows = [
        (
            step_of(one),
            one["name"],
            one["format"],
            size(one["bytes"]),
            moment(one["saved_at"]),
        )
        for one in report.checkpoints
    ]
    return _table(("Step", "Name", "Format", "Size", "Saved"), rows, ("Step", "Size")) + damage


def _weights(found: Json) -> str:
    """Return a variable's histogram with its numbers."""
    shape = " x ".join(map(str, found["weights"]["shape"]))
    words = "mean {}, std {}, from {} to {}".format(*(number(found[name]) for name in ("mean", "std", "low", "high")))
    words += f"; {plural(found['count'], 'number')}, {found['zeros']} zero, {found['nans']} NaN"
    most = max(found["counts"], default=0) or 1
    wide = 400 / max(1, len(found["counts"]))
    bars = "".join(
        f'<rect x="{i * wide:.1f}" y="{60 - 60 * count / most:.1f}" width="{max(wide - 1, 0.5):.1f}" '
        f'height="{60 * count / most:.1f}" fill="#1f77b4"/>'
        for i, count in enumerate(found["counts"])
    )
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="61" viewBox="0 0 400 61">{bars}</svg>'
    name = _text(found["weights"]["name"])
    return f'<h3>{name} <span class="small">{_text(shape)}</span></h3>{picture}<p class="small">{_text(words)}</p>'
