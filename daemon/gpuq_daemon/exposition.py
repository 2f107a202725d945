"""Prometheus' text format, written by hand.

`prometheus_client` would keep a second set of counters and cost 4 MB; what gpuqd measures is counted already
(`vitals`), and the format is lines.

Source: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isinf

from gpuq_daemon.vitals import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Powers of two, for which the histograms' counts are exact: 61 microseconds to 64 seconds.
_BOUNDS_S = tuple(2.0**power for power in range(-14, 7, 2))

Labels = Mapping[str, str]


class Exposition:
    """Metrics in the order added, each with its help and type."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def text(self) -> str:
        """Return everything added."""
        return "".join(f"{line}\n" for line in self._lines)

    def gauge(self, name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add what goes up and down."""
        self._add(name, text, "gauge", samples)

    def counter(self, name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add what only grows; the name ends in `_total`."""
        self._add(name, text, "counter", samples)

    def histogram(self, name: str, text: str, samples: Iterable[tuple[Labels, Histogram]]) -> None:
        """Add durations; the name ends in `_seconds`."""
        self._head(name, text, "histogram")
        for labels, histogram in samples:
            count = histogram.count
            at_most = [*zip(_BOUNDS_S, histogram.at_most(_BOUNDS_S), strict=True), (float("inf"), count)]
            for bound, below in at_most:
                self._sample(f"{name}_bucket", {**labels, "le": _number(bound)}, below)
            self._sample(f"{name}_sum", labels, histogram.sum_s)
            self._sample(f"{name}_count", labels, count)

    def _add(self, name: str, text: str, kind: str, samples: Iterable[tuple[Labels, float]]) -> None:
        self._head(name, text, kind)
        for labels, value in samples:
            self._sample(name, labels, value)

    def _head(self, name: str, text: str, kind: str) -> None:
        self._lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]

    def _sample(self, name: str, labels: Labels, value: float) -> None:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        self._lines.append(f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return "+Inf" if isinf(value) else repr(value)
