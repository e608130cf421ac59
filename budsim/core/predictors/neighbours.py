"""Kriging: what measured runs near a candidate tell of it, fading with distance in load, layout, model, device and engine version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray, IntArray
from budsim.core.predictors.features import DEVICE, ENGINES, FEATURES

LOAD: Final = ("users_per_rank", "input_tokens", "output_tokens")
LAYOUT: Final = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel", "weight_bits", "kv_width_bytes")
# A step of each figure at which two models, or two devices, are told apart. Figures are logarithms, counts or flags.
MODEL_STEPS: Final[Mapping[str, float]] = {
    "active_parameters": 0.5,
    "total_parameters": 0.5,
    "layers": 0.5,
    "hidden_size": 0.5,
    "experts": 64.0,
    "latent_attention": 0.7,
    "state_layers": 0.5,
    "windowed_layers": 0.5,
    "eager": 0.5,
}
DEVICE_STEPS: Final[Mapping[str, float]] = {
    "memory_bytes": 0.7,
    "bandwidth": 0.5,
    "fp16": 0.5,
    "fp8": 0.5,
    "fp4": 0.5,
    "link_bandwidth": 0.7,
    "is_cuda": 0.5,
    "is_rocm": 0.5,
}
MODES: Final = ("static_batch", "open_loop", "median")
ENGINE: Final = (*(f"engine_{name}" for name in ENGINES), "engine_version")
COORDINATES: tuple[str, ...] = (*LOAD, *LAYOUT, *MODEL_STEPS, *DEVICE_STEPS, *ENGINE, *MODES)
COLUMNS: Final[IntArray] = np.array([FEATURES.index(name) for name in COORDINATES])
# What two runs may have in common, each with an amplitude of its own: engine, its version, device, model, and these together
SHARED: Final = ("engine", "version", "device", "device_engine", "model", "model_engine", "model_device_engine", "all")
LEAST_TELLING: Final = 0.01  # of the variance: runs that share less say nothing of how near a candidate is
UNRELATED: Final = 1e-9  # of the variance: runs that share less with a candidate tell it nothing
_LOAD_COLUMNS: Final = slice(0, len(LOAD))
_LAYOUT_COLUMNS: Final = slice(len(LOAD), len(LOAD) + len(LAYOUT))
_WHOLE: Final = slice(0, len(LOAD) + len(LAYOUT))
LACKED: Final = 34.0  # a rate that a device has no path for stands a few steps below the log of what such paths reach
assert set(DEVICE_STEPS) == set(DEVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """How alike the logarithmic errors of two runs are.

    Attributes:
        shared: Variance of what runs share, by SHARED. [log²]
        local: Variance of what only runs of one server configuration under a like load share. [log²]
        noise: Variance of one measurement. [log²]
        far: Lengths over LOAD and LAYOUT at which what is shared fades.
        near: The same of what is local.
        release: Distance in releases at which an engine's versions are told apart; 1 is one minor release.
    """

    shared: Mapping[str, float]
    local: float
    noise: float
    far: tuple[float, ...]
    near: tuple[float, ...]
    release: float

    @property
    def variance(self) -> float:
        """Variance of a run that nothing is known of. [log²]"""
        return sum(self.shared.values()) + self.local


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What candidates have in common with measured runs, each 0…1, shape (candidates, runs)."""

    model: FloatArray
    device: FloatArray
    engine: FloatArray
    version: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Measured runs and their weights.

    Attributes:
        kernel: How alike runs are.
        points: Coordinates of the measured runs, shape (runs, len(COORDINATES)).
        weights: What each adds to a candidate exactly like it, shape (runs,).
    """

    kernel: Kernel
    points: FloatArray
    weights: FloatArray

    def told(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the logarithmic correction the runs tell, and the likeness of the nearest run, 0…1, both of shape (n,).

        Candidates of one part share model, device, engine and prompt; what differs is few layouts and few loads: what they share is worked
        out once, each load once, and each layout once for all its loads. A candidate is told the same in any batch.

        Args:
            features: Shape (n, len(FEATURES)).
        """
        asked = features[:, COLUMNS]
        mean, nearest = np.zeros(len(asked)), np.zeros(len(asked))
        known = np.nan_to_num(asked[:, _WHOLE.stop :], nan=-LACKED)  # NaN equals nothing, and would make every row a run of its own
        _, first, which = np.unique(known, axis=0, return_index=True, return_inverse=True)
        for kind, at in enumerate(first):
            inside = np.flatnonzero(which.reshape(-1) == kind)
            mean[inside], nearest[inside] = self._one_kind(asked[inside], asked[at : at + 1])
        return mean, nearest

    def _one_kind(self, asked: FloatArray, one: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return correction and nearest likeness of candidates that differ from `one` in load and layout alone."""
        shared, alike = identity(one, self.points, self.kernel)
        related = shared[0] + self.kernel.local * alike[0] > UNRELATED * self.kernel.variance
        points, weights = self.points[related], self.weights[related]
        loads, load_of = np.unique(asked[:, _LOAD_COLUMNS], axis=0, return_inverse=True)
        wide, narrow = faded(loads, points, self.kernel, _LOAD_COLUMNS)
        _, first, layout_of = np.unique(asked[:, _LAYOUT_COLUMNS], axis=0, return_index=True, return_inverse=True)
        mean, nearest = np.zeros(len(asked)), np.zeros(len(asked))
        for layout, at in enumerate(first):
            inside = np.flatnonzero(layout_of.reshape(-1) == layout)
            users, back = np.unique(load_of.reshape(-1)[inside], return_inverse=True)
            far, near = faded(asked[at : at + 1], points, self.kernel, _LAYOUT_COLUMNS)
            common, local = shared[0, related] * far[0], self.kernel.local * alike[0, related] * near[0]
            found = self._one_layout(wide[users], narrow=narrow[users], common=common, local=local, weights=weights)
            mean[inside], nearest[inside] = found[0][back], found[1][back]
        return mean, nearest

    def _one_layout(
        self, wide: FloatArray, *, narrow: FloatArray, common: FloatArray, local: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return correction and nearest likeness of loads of one layout, shape (loads,).

        Row by row, where a matrix product would sum in another order in another batch.
        """
        mean = (wide * (common * weights) + narrow * (local * weights)).sum(axis=1)
        telling = (common + local) > LEAST_TELLING * self.kernel.variance
        if not telling.any():
            return mean, np.zeros(len(mean))
        covariance = wide[:, telling] * common[telling] + narrow[:, telling] * local[telling]
        return mean, np.asarray(covariance.max(axis=1) / self.kernel.variance)


def covariance(left: FloatArray, right: FloatArray, kernel: Kernel) -> FloatArray:
    """Return the covariance of the errors of two lists of runs, noise left out, shape (left, right). [log²]

    Args:
        left: Coordinates, shape (left, len(COORDINATES)); `right` likewise.
        right: The others.
        kernel: How alike runs are.
    """
    shared, alike = identity(left, right, kernel)
    far, near = faded(left, right, kernel, _WHOLE)
    return np.asarray(shared * far + kernel.local * alike * near)


def faded(left: FloatArray, right: FloatArray, kernel: Kernel, columns: slice) -> tuple[FloatArray, FloatArray]:
    """Return what distance in these columns leaves of what is shared and of what is local, 1 at none, shape (left, right)."""
    far, near = (
        np.exp(-0.5 * _squared(left[:, columns] / steps[columns], right[:, columns] / steps[columns]))
        for steps in (np.array(kernel.far), np.array(kernel.near))
    )
    return far, near


def identity(left: FloatArray, right: FloatArray, kernel: Kernel) -> tuple[FloatArray, FloatArray]:
    """Return the variance shared by what runs have in common, and how far they have all of it in common, shape (left, right)."""
    found = likeness(left, right, kernel)
    mode = _alike(left, right, dict.fromkeys(MODES, 0.5))
    pair = found.device * found.engine
    products = {
        "engine": found.engine,
        "version": found.version,
        "device": found.device,
        "device_engine": pair,
        "model": found.model,
        "model_engine": found.model * found.engine,
        "model_device_engine": found.model * pair,
        "all": found.model * found.device * found.version,
    }
    shared = np.sum([kernel.shared[name] * products[name] for name in SHARED], axis=0)
    return np.asarray(mode * shared), np.asarray(mode * products["all"])


def likeness(left: FloatArray, right: FloatArray, kernel: Kernel) -> Likeness:
    """Return what two lists of runs have in common."""
    engine = _alike(left, right, {f"engine_{name}": 0.1 for name in ENGINES})
    at = COORDINATES.index("engine_version")
    apart = np.abs(left[:, None, at] - right[None, :, at])
    unknown = np.isnan(left[:, None, at]) & np.isnan(right[None, :, at])
    version = engine * np.where(unknown, 1.0, np.exp(-np.nan_to_num(apart, nan=kernel.release) / kernel.release))
    return Likeness(model=_alike(left, right, MODEL_STEPS), device=_alike(left, right, DEVICE_STEPS), engine=engine, version=version)


def _alike(left: FloatArray, right: FloatArray, steps: Mapping[str, float]) -> FloatArray:
    columns = [COORDINATES.index(name) for name in steps]
    lengths = np.array(list(steps.values()))
    a, b = (np.nan_to_num(each[:, columns], nan=LACKED) / lengths for each in (left, right))
    return np.asarray(np.exp(-0.5 * _squared(a, b)))


def _squared(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return squared distances; over few columns number by number, which gives a candidate the same in any batch."""
    if left.shape[1] <= len(LOAD):
        apart = left[:, None, :] - right[None, :, :]
        return np.asarray(sum(apart[:, :, column] ** 2 for column in range(left.shape[1])))
    crossed = left @ right.T
    return np.asarray(np.maximum(0.0, (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2.0 * crossed))
