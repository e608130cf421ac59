"""Constants that lie closest to measured runs: robust and shrunken least squares of relative errors, over logarithms of constants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.latency.constants import FIELDS, combined
from budsim.core.latency.demand import Demand
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.kernels import KernelShares
from budsim.core.latency.overheads import Overheads
from budsim.core.latency.scheduler import Latency, closed_loop
from budsim.services.calibration.design import Design, design_of, effects_of, log_values

# Errors of TPOT and E2E count alike; TTFT less, for its noise floor is ten times theirs (median 3 %, but 64 % at the 90th percentile).
WEIGHTS: Final = (0.5, 1.0, 1.0)  # TTFT, TPOT, E2E
SOFT: Final = 0.08  # relative: beyond, an error counts less than its square
ITERATIONS: Final = 40
LARGEST_STEP: Final = 0.6  # of a logarithm, in one iteration
LEAST_DAMPING: Final = 1e-3
DERIVATIVE_STEP: Final = 1e-4
SETTLED: Final = 5e-4  # relative gain below which the fit ends
Columns = TypeVar("Columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Measured runs of one load mode, in columns.

    Attributes:
        demand: What each run asked, shape (n,).
        kernels: What kernels reach on each run's device, shape (n,).
        prefill_apart: Whether each run's engine runs prompts in steps of their own, 1 or 0, shape (n,).
        keys: What each run's constants are shared by.
        measured_s: TTFT, TPOT, E2E, shape (n, 3); not a number where not measured. [s]
        groups: Configuration point of each run.
        archs: Architecture of each run's model.
        devices: Device of each run; `engines` its engine.
        latencies: How such a load's latencies follow from its demand.
        known: Logarithms of the fields that are known already and only added to, shape (n, fields); None where all is fitted.
    """

    demand: Demand
    kernels: KernelShares
    prefill_apart: FloatArray
    keys: tuple[tuple[str, ...], ...]
    measured_s: FloatArray
    groups: tuple[str, ...]
    archs: tuple[str, ...]
    devices: tuple[str, ...]
    engines: tuple[str, ...]
    latencies: Callable[[Demand, Efficiency, Overheads], Latency] = closed_loop
    known: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was fitted.

    Attributes:
        design: Columns.
        theta: Value of each, shape (columns,).
        error: Standard error of each, shape (columns,).
    """

    design: Design
    theta: FloatArray
    error: FloatArray


def fit_constants(observed: Observations) -> Fit:
    """Return the constants that minimise the soft error over all runs, damped and bounded Gauss–Newton steps from the prior."""
    design = design_of(observed.keys) if observed.known is None else effects_of(observed.keys)
    theta, damping = design.centre.copy(), LEAST_DAMPING
    cost = _cost(observed, design, theta)
    gradient, curvature = _normal_equations(observed, design, theta)
    for _ in range(ITERATIONS):
        step = -np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
        trial = theta + np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        tried = _cost(observed, design, trial)
        if tried >= cost:
            damping *= 10.0
            continue
        gain, theta, cost, damping = cost - tried, trial, tried, max(LEAST_DAMPING, damping / 5.0)
        gradient, curvature = _normal_equations(observed, design, theta)
        if gain < SETTLED * cost:
            break
    scale = _residual_scale(observed, design, theta)
    return Fit(design=design, theta=theta, error=np.sqrt(np.diag(np.linalg.inv(curvature))) * scale)


def predicted(observed: Observations, logs: FloatArray) -> Latency:
    """Return the latencies of all runs with these logarithms of the fields, shape (runs, fields)."""
    whole = logs if observed.known is None else logs + observed.known
    values = {name: np.exp(whole[:, index]) for index, name in enumerate(FIELDS)}
    return observed.latencies(observed.demand, *combined(values, observed.kernels, prefill_apart=observed.prefill_apart))


def log_predicted(observed: Observations, logs: FloatArray) -> FloatArray:
    """Return the logarithms of TTFT, TPOT and E2E, shape (runs, 3)."""
    found = predicted(observed, logs)
    return np.asarray(np.log(np.stack([found.ttft_s, found.tpot_s, found.e2e_s], axis=1)))


def _residuals(observed: Observations, logs: FloatArray) -> FloatArray:
    relative = np.exp(log_predicted(observed, logs)) / observed.measured_s - 1.0
    return np.where(np.isnan(relative), 0.0, relative * np.array(WEIGHTS))


def _cost(observed: Observations, design: Design, theta: FloatArray) -> float:
    errors = _residuals(observed, log_values(design, theta)) / SOFT
    pull = (theta - design.centre) / design.spread
    return float(np.sum(np.sqrt(1.0 + errors**2) - 1.0) + 0.5 * np.sum(pull**2))


def _normal_equations(observed: Observations, design: Design, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return gradient and curvature of the cost; errors beyond SOFT weigh less (iteratively reweighted least squares)."""
    logs = log_values(design, theta)
    base = _residuals(observed, logs)
    weight = 1.0 / (SOFT**2 * np.sqrt(1.0 + (base / SOFT) ** 2))
    slopes = np.empty((*base.shape, len(FIELDS)))
    for index in range(len(FIELDS)):
        moved = logs.copy()
        moved[:, index] += DERIVATIVE_STEP
        slopes[:, :, index] = (_residuals(observed, moved) - base) / DERIVATIVE_STEP
    gradient = (theta - design.centre) / design.spread**2
    curvature = np.diag(1.0 / design.spread**2)
    for target in range(base.shape[1]):
        jacobian = slopes[:, target, :][:, design.field] * design.member
        weighted = jacobian * weight[:, target, None]
        gradient = gradient + weighted.T @ base[:, target]
        curvature = curvature + weighted.T @ jacobian
    return gradient, curvature


def _residual_scale(observed: Observations, design: Design, theta: FloatArray) -> float:
    """Return how much wider errors are than SOFT takes them to be, at least 1."""
    errors = _residuals(observed, log_values(design, theta)) / SOFT
    return max(1.0, float(np.sqrt(np.median(errors**2) / 0.455)))
