"""Measured rows as observations to fit: clean closed loops, and static batches on top of them, that can be predicted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from budsim.core.engines.candidates import Candidates
from budsim.core.errors import BudSimError, InvalidInput
from budsim.core.hardware.spec import DeviceType
from budsim.core.latency.columns import stacked
from budsim.core.latency.constants import prefill_apart
from budsim.core.latency.demand import Demand
from budsim.core.latency.generations import constant_keys, offline_keys
from budsim.core.latency.kernels import KernelShares, kernel_shares
from budsim.core.latency.scheduler import demand_of, running_slots
from budsim.core.latency.static_batch import static_batch
from budsim.core.memory.analytic import AnalyticMemory
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.floor import is_below_floor
from budsim.services.accuracy.rows import MeasuredRow, RowMode
from budsim.services.accuracy.runs import Models, Run, run_of
from budsim.services.calibration.design import log_values_of
from budsim.services.calibration.fit import Fit, Observations


def is_clean(row: MeasuredRow) -> bool:
    """Return whether a row is a closed loop with mean TTFT, TPOT and E2E, decoded without speculation."""
    found = row.measured
    return row.mode == RowMode.CLOSED_LOOP and not row.speculated and None not in (found.ttft_s, found.tpot_s, found.e2e_s)


def is_offline(row: MeasuredRow) -> bool:
    """Return whether a row is a static batch with a mean E2E, decoded without speculation."""
    return row.mode == RowMode.STATIC_BATCH and not row.speculated and row.measured.e2e_s is not None


def observations(rows: Iterable[MeasuredRow], models: Models, kernels: Mapping[str, KernelShares]) -> Observations:
    """Return the clean rows that can be predicted, in columns; as many users run as their memory holds.

    Args:
        rows: What was measured.
        models: Shapes by lower-case name.
        kernels: Shares by device.

    Raises:
        InvalidInput: No row is clean.
    """
    known = [(row, run) for row in rows if is_clean(row) and (run := _run(row, models)) is not None]
    if not known:
        raise InvalidInput("no row is a closed loop with mean TTFT, TPOT and E2E", param="data", remedy="give rows of measurements")
    return _observed(known, kernels, [_demand(run) for _, run in known], [_keys(run) for _, run in known])


def offline_observations(rows: Iterable[MeasuredRow], models: Models, kernels: Mapping[str, KernelShares], fit: Fit) -> Observations | None:
    """Return the static batches that can be predicted, in columns, on what closed loops already tell; None without any.

    CPUs are left out, for their constants are stated and not fitted; and rows that were answered before the weights can be read for every
    token they state, for these decoded fewer.

    Args:
        rows: What was measured.
        models: Shapes by lower-case name.
        kernels: Shares by device.
        fit: Constants of closed loops.
    """
    found = [(row, run) for row in rows if is_offline(row) and (run := _run(row, models)) is not None]
    known = [(row, run) for row, run in found if _teaches(row, run)]
    if not known:
        return None
    observed = _observed(known, kernels, [_batch_demand(run) for _, run in known], [_offline_keys(run) for _, run in known])
    told = log_values_of(fit.design, fit.theta, [_keys(run) for _, run in known])
    return replace(observed, latencies=static_batch, known=told)


def _teaches(row: MeasuredRow, run: Run) -> bool:
    return run.scenario.device.device_type is not DeviceType.CPU and not is_below_floor(row, run)


def _observed(
    known: Sequence[tuple[MeasuredRow, Run]], kernels: Mapping[str, KernelShares], demands: list[Demand], keys: list[tuple[str, ...]]
) -> Observations:
    ones = [1] * len(known)
    return Observations(
        demand=stacked(demands, ones),
        kernels=stacked([kernel_shares(run.scenario.device, kernels) for _, run in known], ones),
        prefill_apart=np.array([prefill_apart(run.scenario.engine.served_by) for _, run in known]),
        keys=tuple(keys),
        measured_s=np.array([[row.measured.ttft_s, row.measured.tpot_s, row.measured.e2e_s] for row, _ in known], dtype=np.float64),
        groups=_labels([row.group for row, _ in known]),
        archs=_labels([row.arch for row, _ in known]),
        devices=tuple(run.scenario.device.name for _, run in known),
        engines=_labels([row.engine for row, _ in known]),
    )


def _labels(values: Sequence[str]) -> tuple[str, ...]:
    """Return the labels; a row without one is a group of its own."""
    return tuple(value or f"row {index}" for index, value in enumerate(values))


def _run(row: MeasuredRow, models: Models) -> Run | None:
    try:
        return run_of(row, models)
    except BudSimError:
        return None


def _demand(run: Run) -> Demand:
    candidates = Candidates.from_rows([run.candidate])
    users = np.ceil(candidates.concurrency / candidates.data_parallel)
    plan = MemoryOfWhatRan(AnalyticMemory()).plan(run.scenario, candidates)
    return demand_of(run.scenario, candidates, users=users, slots=running_slots(run.scenario, candidates, plan))


def _batch_demand(run: Run) -> Demand:
    candidates = Candidates.from_rows([run.candidate])
    users = np.ceil(candidates.concurrency / candidates.data_parallel)
    return demand_of(run.scenario, candidates, users=users, slots=users)


def _keys(run: Run) -> tuple[str, ...]:
    engine = run.scenario.engine
    return constant_keys(run.scenario.device, engine.served_by, engine.version, run.scenario.model)


def _offline_keys(run: Run) -> tuple[str, ...]:
    engine = run.scenario.engine
    return offline_keys(run.scenario.device, engine.served_by, engine.version)
