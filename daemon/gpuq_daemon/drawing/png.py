"""A figure as PNG, by Pillow, which is loaded when the first one is asked for."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, assert_never

from gpuq_daemon.drawing.figure import Area, Figure, Label, Line, Place, Shape

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_FINER = 2
"""Drawn so many times larger, and then shrunk: edges get smooth."""
_ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}
_DASH = 3.0


def png(figure: Figure) -> bytes:
    """Return the picture."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (figure.width * _FINER, figure.height * _FINER), "#ffffff")
    pen = ImageDraw.Draw(image)
    for shape in figure.shapes:
        _draw(pen, shape)
    written = BytesIO()
    image.reduce(_FINER).save(written, "PNG", optimize=True)
    return written.getvalue()


def _draw(pen: ImageDraw, shape: Shape) -> None:
    from PIL import ImageFont

    match shape:
        case Line():
            width = max(1, round(shape.width * _FINER))
            for places in _dashes(shape.places) if shape.is_dashed else (shape.places,):
                pen.line(_finer(places), fill=shape.color, width=width, joint="curve")
        case Area():
            pen.polygon(_finer(shape.places), fill=shape.color)
        case Label():
            font = ImageFont.load_default(shape.size * _FINER)
            ((x, y),) = _finer((shape.at,))
            pen.text((x, y), shape.text, fill=shape.color, font=font, anchor=_ANCHORS[shape.anchor])
        case _:
            assert_never(shape)


def _finer(places: tuple[Place, ...]) -> list[Place]:
    return [(x * _FINER, y * _FINER) for x, y in places]


def _dashes(places: tuple[Place, ...]) -> list[tuple[Place, Place]]:
    """Return the dashes of an upright line, the only kind that is dashed."""
    (x, top), (_, bottom) = places
    count = int((bottom - top) / (2 * _DASH))
    return [((x, top + 2 * i * _DASH), (x, top + (2 * i + 1) * _DASH)) for i in range(count)]
