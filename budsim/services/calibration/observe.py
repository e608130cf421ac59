"""Measured rows as observations to fit: clean closed loops that can be predicted."""

from collections.abc import Iterable, Sequence

import numpy as np

from budsim.core.engines.candidates import Candidates
from budsim.core.errors import BudSimError, InvalidInput
from budsim.core.latency.columns import stacked
from budsim.core.latency.constants import prefill_apart
from budsim.core.latency.demand import Demand
from budsim.core.latency.generations import constant_keys
from budsim.core.latency.kernels import KernelShares, kernel_shares
from budsim.core.latency.scheduler import demand_of, running_slots
from budsim.core.memory.analytic import AnalyticMemory
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.rows import MeasuredRow, RowMode
from budsim.services.accuracy.runs import Models, Run, run_of
from budsim.services.calibration.fit import Observations


def is_clean(row: MeasuredRow) -> bool:
    """Return whether a row is a closed loop with mean TTFT, TPOT and E2E, decoded without speculation."""
    found = row.measured
    return row.mode == RowMode.CLOSED_LOOP and not row.speculated and None not in (found.ttft_s, found.tpot_s, found.e2e_s)


def observations(rows: Iterable[MeasuredRow], models: Models, kernels: dict[str, KernelShares]) -> Observations:
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
    ones = [1] * len(known)
    return Observations(
        demand=stacked([_demand(run) for _, run in known], ones),
        kernels=stacked([kernel_shares(run.scenario.device, kernels) for _, run in known], ones),
        prefill_apart=np.array([prefill_apart(run.scenario.engine.served_by) for _, run in known]),
        keys=tuple(_keys(run) for _, run in known),
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


def _keys(run: Run) -> tuple[str, ...]:
    engine = run.scenario.engine
    return constant_keys(run.scenario.device, engine.served_by, engine.version, run.scenario.model)
