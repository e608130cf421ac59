"""Weights of measured runs in kriging, and what each run would have been told without those like it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray, IntArray
from budsim.core.predictors.likeness import Kernel, covariances, identity
from budsim.core.predictors.neighbours import Neighbours

REWEIGHED: Final = 2  # times that the noise of runs far from what their neighbours tell is widened
SOFT: Final = 1.5  # standard deviations from where on it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What other runs tell of held-out ones, before it is believed the less the newer they are.

    Attributes:
        anyhow: By what is shared whatever the model, shape (held, columns of errors).
        model: By what is shared for the model's sake, of the same shape.
        seen_model: Likeness of the most alike model among the others, 0…1, shape (held,).
        seen_run: Likeness in model, device and release of the most alike run, shape (held,).
        nearest: Likeness of the nearest run, load and layout included, shape (held,).
    """

    anyhow: FloatArray
    model: FloatArray
    seen_model: FloatArray
    seen_run: FloatArray
    nearest: FloatArray

    def believed(self, fades: tuple[float, float]) -> FloatArray:
        """Return what is believed of it under powers of both likenesses (fade_model, fade_run of a kernel), shape (held, columns)."""
        return self.anyhow * self.seen_run[:, None] ** fades[1] + self.model * self.seen_model[:, None] ** fades[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kriged:
    """Runs, and the inverse of the covariance of their errors.

    Attributes:
        kernel: How alike runs are.
        points: Their coordinates, shape (runs, …).
        anyhow: Covariance of their errors whatever the model, noise left out, shape (runs, runs); `model` that for the model's sake.
        seen_model: Likeness of their models, shape (runs, runs); `seen_run` in model, device and release.
        precision: Inverse of the covariance, noise included, shape (runs, runs).
    """

    kernel: Kernel
    points: FloatArray
    anyhow: FloatArray
    model: FloatArray
    seen_model: FloatArray
    seen_run: FloatArray
    precision: FloatArray

    def neighbours(self, errors: FloatArray) -> Neighbours:
        """Return the runs with the weights that their errors, shape (runs,), give them."""
        return Neighbours(kernel=self.kernel, points=self.points, weights=self.precision @ errors)

    def without(self, held: IntArray, errors: FloatArray) -> Told:
        """Return what the other runs tell of those held out.

        Args:
            held: Indices of the runs held out; their errors are not looked at.
            errors: Columns of errors, shape (runs, columns).

        Source:
            The precision of the others alone is Λ_oo − Λ_oh·Λ_hh⁻¹·Λ_ho, with Λ that of all.
        """
        others = np.setdiff1d(np.arange(len(errors)), held)
        across = self.precision[np.ix_(others, held)]
        weights = self.precision[np.ix_(others, others)] @ errors[others]
        weights -= across @ np.linalg.solve(self.precision[np.ix_(held, held)], across.T @ errors[others])
        between = np.ix_(held, others)
        anyhow, model = self.anyhow[between], self.model[between]
        return Told(
            anyhow=anyhow @ weights,
            model=model @ weights,
            seen_model=self.seen_model[between].max(axis=1, initial=0.0),
            seen_run=self.seen_run[between].max(axis=1, initial=0.0),
            nearest=(anyhow + model).max(axis=1, initial=0.0) / self.kernel.variance,
        )


def kriged(points: FloatArray, errors: FloatArray, noise: FloatArray, kernel: Kernel) -> Kriged:
    """Return the runs ready to tell of others; a run that its neighbours contradict is taken for a noisy one.

    Args:
        points: Coordinates, shape (runs, …).
        errors: Logarithmic errors, shape (runs,).
        noise: Variance of each measurement, in units of the kernel's, shape (runs,).
        kernel: How alike runs are.
    """
    found = identity(points, points, kernel)
    anyhow, model = covariances(found, points, points, kernel)
    common, variance = anyhow + model, kernel.noise * noise
    for _ in range(REWEIGHED):
        left = variance * np.linalg.solve(common + np.diag(variance), errors)
        variance = variance * np.maximum(1.0, np.abs(left) / np.sqrt(variance) / SOFT)
    return Kriged(
        kernel=kernel,
        points=points,
        anyhow=anyhow,
        model=model,
        seen_model=found.alike.model,
        seen_run=found.alike.whole,
        precision=np.asarray(np.linalg.inv(common + np.diag(variance)), dtype=np.float64),
    )
