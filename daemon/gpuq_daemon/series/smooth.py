"""TensorBoard's smoothing, over all points. numpy is imported on first use, as in `thin`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

_NEGLIGIBLE = 1e-20


def smooth(values: Floats, weight: float) -> Floats:
    """Return the debiased exponential moving average with the weight of the past in [0, 1).

    Values that are not finite stay as they are and do not count; nor is a constant smoothed, which rounding would
    make one that wavers.

    Source: TensorBoard, webapp/widgets/line_chart_v2/data_transformer.ts, `classicSmoothing`.
    """
    import numpy as np

    is_finite = np.isfinite(values)
    finite = values[is_finite]
    if not weight or not len(finite) or bool(np.all(values == values[0])):
        return values
    # average[i] is the sum over k of weight^k * (1 - weight) * finite[i - k], added up in pairs, fours, eights, ...
    average, reach, factor = finite * (1 - weight), 1, weight
    while reach < len(finite) and factor > _NEGLIGIBLE:
        average[reach:] = average[reach:] + factor * average[:-reach]
        reach, factor = 2 * reach, factor * factor
    smoothed = values.copy()
    with np.errstate(over="ignore"):  # the largest floats there are
        smoothed[is_finite] = average / (1 - weight ** np.arange(1.0, len(finite) + 1))
    return smoothed
