"""How far measurements lie from predictions, by how near the nearest measured run is."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """5 % and 95 % quantiles of log(measured / predicted), shape (n,)."""

    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Quantiles at knots of nearness, ascending, shape (knots,); between them on a line, beyond them as at the last.

    Attributes:
        nearness: Likeness of the nearest measured run, 0…1.
        low: 5 % quantile of log(measured / predicted).
        high: 95 % quantile.
    """

    nearness: FloatArray
    low: FloatArray
    high: FloatArray

    def at(self, nearness: FloatArray) -> Quantiles:
        """Return the quantiles of candidates of this nearness, shape (n,)."""
        return Quantiles(low=np.interp(nearness, self.nearness, self.low), high=np.interp(nearness, self.nearness, self.high))
