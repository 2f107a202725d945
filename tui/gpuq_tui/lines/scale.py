"""How curves are drawn: smoothed, on which axes, and which part of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

SMOOTH_STEPS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How curves are drawn: `smooth` is the weight of the past, one of `SMOOTH_STEPS`; `x` is "step" or "relative".

    `zooms` are the parts of the x axis that were zoomed into, one within the other; none: all of it.
    """

    smooth: float = 0.0
    is_log_y: bool = False
    is_log_x: bool = False
    x: str = "step"
    zooms: tuple[tuple[float, float], ...] = ()

    @property
    def part(self) -> tuple[float | None, float | None]:
        """Return where the part of the x axis that is shown begins and ends; None: at the curve's own end."""
        return self.zooms[-1] if self.zooms else (None, None)

    def smoother(self, by: int) -> Scale:
        """Return the scale `by` steps smoother, as far as there are steps; 0 goes back to none."""
        index = 0 if by == 0 else SMOOTH_STEPS.index(self.smooth) + by
        return replace(self, smooth=SMOOTH_STEPS[max(0, min(len(SMOOTH_STEPS) - 1, index))])

    def with_log_y_flipped(self) -> Scale:
        """Return the scale with the other kind of y axis."""
        return replace(self, is_log_y=not self.is_log_y)

    def with_log_x_flipped(self) -> Scale:
        """Return the scale with the other kind of x axis."""
        return replace(self, is_log_x=not self.is_log_x)

    def with_x_flipped(self) -> Scale:
        """Return the scale along time instead of steps, or back; a part of one is none of the other."""
        return replace(self, x="relative" if self.x == "step" else "step", zooms=())

    def zoomed_in(self, shown: tuple[float, float], at: float | None) -> Scale:
        """Return the scale with half of what is `shown` of x: that around `at`, the last half where that is None."""
        low, high = shown
        if not high > low:
            return self
        half = (high - low) / 2
        begin = high - half if at is None else max(low, min(at - half / 2, high - half))
        return replace(self, zooms=(*self.zooms, (begin, begin + half)))

    def zoomed_out(self) -> Scale:
        """Return the scale as it was before it was zoomed in."""
        return replace(self, zooms=self.zooms[:-1])

    def moved(self, by: int) -> Scale:
        """Return the scale with the part that is shown moved by half of its width."""
        if not self.zooms:
            return self
        begin, end = self.zooms[-1]
        shift = by * (end - begin) / 2
        return replace(self, zooms=(*self.zooms[:-1], (begin + shift, end + shift)))

    def told(self) -> str:
        """Return how it differs from curves as they are."""
        smooth = f" smooth {self.smooth:g} " if self.smooth else ""
        logs = (" log y " if self.is_log_y else "") + (" log x " if self.is_log_x else "")
        return smooth + logs + (" by time " if self.x != "step" else "") + (" zoomed " if self.zooms else "")
