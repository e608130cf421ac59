"""How alike two runs are: fading with distance in load, layout, model, device and engine version."""

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
# Other kinds of load are no neighbours at all; medians over requests tell a little of means
MODE_STEPS: Final[Mapping[str, float]] = {"static_batch": 0.1, "open_loop": 0.1, "median": 0.5}
ENGINE: Final = (*(f"engine_{name}" for name in ENGINES), "engine_version")
COORDINATES: tuple[str, ...] = (*LOAD, *LAYOUT, *MODEL_STEPS, *DEVICE_STEPS, *ENGINE, *MODE_STEPS)
COLUMNS: Final[IntArray] = np.array([FEATURES.index(name) for name in COORDINATES])
# What two runs may have in common, each with an amplitude of its own: engine, its version, device, model, and these together
SHARED: Final = ("engine", "version", "device", "device_engine", "model", "model_engine", "model_device_engine", "all")
USERS_COLUMN: Final = slice(0, 1)
PROMPT_COLUMNS: Final = slice(1, len(LOAD))
LAYOUT_COLUMNS: Final = slice(len(LOAD), len(LOAD) + len(LAYOUT))
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
        fade_model: Power of the likeness of the most alike measured model by which what a model shares is believed.
        fade_run: Power of the likeness, in model, device and release, of the most alike run by which what is shared whatever the model is.
    """

    shared: Mapping[str, float]
    local: float
    noise: float
    far: tuple[float, ...]
    near: tuple[float, ...]
    release: float
    fade_model: float
    fade_run: float

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

    @property
    def whole(self) -> FloatArray:
        """Model, device and release together."""
        return self.model * self.device * self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What two lists of runs share before load and layout fade it, shape (left, right) each.

    Attributes:
        anyhow: Variance shared whatever the model. [log²]
        model: Variance shared for the model's sake. [log²]
        local: Variance of what is local, for having everything in common. [log²]
        alike: What they have in common.
    """

    anyhow: FloatArray
    model: FloatArray
    local: FloatArray
    alike: Likeness

    @property
    def shared(self) -> FloatArray:
        """Variance that load and layout fade slowly. [log²]"""
        return self.anyhow + self.model

    def believed(self, kernel: Kernel) -> tuple[FloatArray, FloatArray]:
        """Return the shared and the local variance as far as they are believed of each of `left`: less the newer it is.

        Who ran nothing like a candidate still shares its engine, but errors of other models on it carry over badly.
        """
        model = self.alike.model.max(axis=1, initial=0.0, keepdims=True) ** kernel.fade_model
        run = self.alike.whole.max(axis=1, initial=0.0, keepdims=True) ** kernel.fade_run
        return self.anyhow * run + self.model * model, self.local * model


def covariances(found: Identity, left: FloatArray, right: FloatArray, kernel: Kernel) -> tuple[FloatArray, FloatArray]:
    """Return the covariance of errors whatever the model, and that for the model's sake, noise left out, shape (left, right). [log²]

    Args:
        found: What they share before load and layout fade it.
        left: Coordinates, shape (left, len(COORDINATES)); `right` likewise.
        right: The others.
        kernel: How alike runs are.
    """
    far, near = faded(left[:, _WHOLE], right[:, _WHOLE], kernel, _WHOLE)
    return found.anyhow * far, found.model * far + found.local * near


def faded(left: FloatArray, right: FloatArray, kernel: Kernel, columns: slice) -> tuple[FloatArray, FloatArray]:
    """Return what distance in these columns leaves of what is shared and of what is local, 1 at none, shape (left, right).

    Args:
        left: Load and layout in these columns alone, shape (left, columns); `right` likewise.
        right: The others.
        kernel: How alike runs are.
        columns: Which of LOAD and LAYOUT they are.
    """
    far, near = (
        np.exp(-0.5 * _squared(left / steps[columns], right / steps[columns])) for steps in (np.array(kernel.far), np.array(kernel.near))
    )
    return far, near


def identity(left: FloatArray, right: FloatArray, kernel: Kernel) -> Identity:
    """Return what two lists of runs share: of coordinates of shape (left, …) and (right, …)."""
    found = likeness(left, right, kernel)
    mode = _alike(left, right, MODE_STEPS)
    pair = found.device * found.engine
    anyhow = {"engine": found.engine, "version": found.version, "device": found.device, "device_engine": pair}
    model = {
        "model": found.model,
        "model_engine": found.model * found.engine,
        "model_device_engine": found.model * pair,
        "all": found.whole,
    }
    sums = [np.sum([kernel.shared[name] * part for name, part in parts.items()], axis=0) for parts in (anyhow, model)]
    return Identity(anyhow=mode * sums[0], model=mode * sums[1], local=kernel.local * mode * found.whole, alike=found)


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
    """Return squared distances; of one row or over one column number by number, which is the same whatever else is asked for."""
    if len(left) == 1 or left.shape[1] == 1:
        return np.asarray(sum((left[:, column, None] - right[None, :, column]) ** 2 for column in range(left.shape[1])))
    crossed = left @ right.T
    return np.asarray(np.maximum(0.0, (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2.0 * crossed))
