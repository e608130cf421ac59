"""Weights of measured runs in kriging, and what each run would have been told without those like it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray, IntArray
from budsim.core.predictors.likeness import Kernel, covariance
from budsim.core.predictors.neighbours import Neighbours

REWEIGHED: Final = 2  # times that the noise of runs far from what their neighbours tell is widened
SOFT: Final = 1.5  # standard deviations from where on it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Kriged:
    """Runs, and the inverse of the covariance of their errors.

    Attributes:
        kernel: How alike runs are.
        points: Their coordinates, shape (runs, …).
        common: Covariance of their errors, noise left out, shape (runs, runs).
        precision: Inverse of it, noise included, shape (runs, runs).
    """

    kernel: Kernel
    points: FloatArray
    common: FloatArray
    precision: FloatArray

    def neighbours(self, errors: FloatArray) -> Neighbours:
        """Return the runs with the weights that their errors, shape (runs,), give them."""
        return Neighbours(kernel=self.kernel, points=self.points, weights=self.precision @ errors)

    def without(self, held: IntArray, errors: FloatArray) -> FloatArray:
        """Return what the other runs tell of the errors of those held out, shape (held,).

        Source:
            The conditional mean of a Gaussian vector by its precision Λ: −Λ_hh⁻¹·Λ_ho·e_o.
        """
        others = np.setdiff1d(np.arange(len(errors)), held)
        block = self.precision[np.ix_(held, held)]
        return np.asarray(-np.linalg.solve(block, self.precision[np.ix_(held, others)] @ errors[others]))

    def nearest_without(self, held: IntArray) -> FloatArray:
        """Return the likeness of the nearest run that is not held out, 0…1, shape (held,)."""
        others = np.setdiff1d(np.arange(len(self.common)), held)
        return np.asarray(self.common[np.ix_(held, others)].max(axis=1, initial=0.0) / self.kernel.variance)


def kriged(points: FloatArray, errors: FloatArray, noise: FloatArray, kernel: Kernel) -> Kriged:
    """Return the runs ready to tell of others; a run that its neighbours contradict is taken for a noisy one.

    Args:
        points: Coordinates, shape (runs, …).
        errors: Logarithmic errors, shape (runs,).
        noise: Variance of each measurement, in units of the kernel's, shape (runs,).
        kernel: How alike runs are.
    """
    common = covariance(points, points, kernel)
    variance = kernel.noise * noise
    for _ in range(REWEIGHED):
        left = variance * np.linalg.solve(common + np.diag(variance), errors)
        variance = variance * np.maximum(1.0, np.abs(left) / np.sqrt(variance) / SOFT)
    return Kriged(
        kernel=kernel, points=points, common=common, precision=np.asarray(np.linalg.inv(common + np.diag(variance)), dtype=np.float64)
    )
