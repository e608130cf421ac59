"""The knee of a curve: where more of one thing stops buying much of the other."""

from collections.abc import Sequence
from typing import Final

import numpy as np

LEAST_BEND: Final = 0.05  # distance to the chord, of a unit square, below which a curve counts as straight


def knee(x: Sequence[float], y: Sequence[float]) -> int | None:
    """Return the index of the point farthest from the chord between the curve's ends, both axes scaled to 0…1; None for a straight curve.

    Args:
        x: Ascending.
        y: Figure at each x, rising or falling throughout.

    Source:
        Kneedle, Satopää et al. 2011, section III: the maximum of the difference curve, without the smoothing that measured curves need.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(xs) < 3 or xs[0] == xs[-1] or ys[0] == ys[-1]:
        return None
    along = (xs - xs[0]) / (xs[-1] - xs[0])
    across = (ys - ys[0]) / (ys[-1] - ys[0])
    distance = np.abs(across - along)
    return int(distance.argmax()) if distance.max() >= LEAST_BEND else None
