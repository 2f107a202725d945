"""A figure as SVG: one element by itself, which needs nothing from elsewhere and can stand inside HTML."""

from __future__ import annotations

from html import escape
from typing import assert_never

from gpuq.text import clean
from gpuq_daemon.drawing.figure import Area, Figure, Label, Line, Place, Shape


def svg(figure: Figure) -> str:
    """Return the picture; whatever its texts hold, they stay text.

    Source: W3C, Scalable Vector Graphics (SVG) 1.1.
    """
    size = f'width="{figure.width}" height="{figure.height}" viewBox="0 0 {figure.width} {figure.height}"'
    title = escape(clean(figure.title))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">',
        f"<title>{title}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *map(_element, figure.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    match shape:
        case Line():
            dashes = ' stroke-dasharray="3 3"' if shape.is_dashed else ""
            return (
                f'<polyline fill="none" stroke="{shape.color}" stroke-width="{shape.width:g}"{dashes} '
                f'points="{_points(shape.places)}"/>'
            )
        case Area():
            return f'<polygon fill="{shape.color}" points="{_points(shape.places)}"/>'
        case Label():
            x, y = shape.at
            return (
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{shape.anchor}" dominant-baseline="central" '
                f'font-size="{shape.size}" fill="{shape.color}">{escape(clean(shape.text))}</text>'
            )
        case _:
            assert_never(shape)


def _points(places: tuple[Place, ...]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
