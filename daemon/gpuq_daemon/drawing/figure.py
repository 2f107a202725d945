"""What a picture is made of, before it is SVG or PNG. Places are pixels, from the upper left corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Place: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line through `places`, in a colour such as "#1f77b4"."""

    places: tuple[Place, ...]
    color: str
    width: float = 1.5
    is_dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A filled polygon."""

    places: tuple[Place, ...]
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A line of text; `at` is the middle of its height, and its left end, middle or right end."""

    at: Place
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    color: str = "#333333"
    size: int = 12


Shape: TypeAlias = Line | Area | Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A white picture of some shapes, later ones above earlier ones. `title` is what it shows, in words."""

    width: int
    height: int
    title: str
    shapes: tuple[Shape, ...]
