"""Measured rows as what is learned from: columns of features and targets, weighed, and every row left out with its reason."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.errors import BudSimError, InvalidInput
from budsim.core.latency.columns import stacked
from budsim.core.latency.constants import Constants
from budsim.core.latency.demand import Demand
from budsim.core.latency.scheduler import Latency, closed_loop, demand_of, running_slots
from budsim.core.latency.static_batch import static_batch
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.features import analytic_features, given_features, joined, weights_s
from budsim.core.units import ms_to_seconds
from budsim.services.accuracy.cells import positive
from budsim.services.accuracy.rows import Measured, MeasuredRow, Row, RowMode, read_row
from budsim.services.accuracy.runs import Models, Run, run_of

LEARNED_MODES: Final = (RowMode.CLOSED_LOOP, RowMode.STATIC_BATCH)
CAMPAIGNS: Final = ("InferenceX",)  # measured by one hand, though published in several places
MEDIANS: Final = ("median_ttft_ms", "median_tpot_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One row that is learned from."""

    row: MeasuredRow
    run: Run
    median: bool
    source: str
    licence: str
    commit: str

    @property
    def static(self) -> bool:
        """Whether it is one padded batch."""
        return self.row.mode == RowMode.STATIC_BATCH

    @property
    def clean(self) -> bool:
        """Whether it counts in the scores: a closed loop with means of TTFT and TPOT."""
        return not self.static and not self.median

    @property
    def site(self) -> str:
        """Who measured it."""
        return next((name for name in CAMPAIGNS if name in self.source), self.source)

    @property
    def release(self) -> str:
        """Engine and version."""
        return f"{self.row.engine} {self.row.engine_version}"

    @property
    def kind(self) -> str:
        """What is measured over and over: mode, architecture × hardware × engine."""
        return f"{self.row.mode}|{self.row.arch}|{self.run.scenario.device.name}|{self.row.engine}"

    @property
    def server(self) -> str:
        """Server configuration: architecture × hardware × engine × layout × precision."""
        row = self.row
        layout = (row.tensor_parallel, row.pipeline_parallel, row.data_parallel, row.expert_parallel)
        return f"{row.arch}|{self.run.scenario.device.name}|{row.engine}|{'-'.join(map(str, layout))}|{row.weight_precision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows in columns, free of any constant.

    Attributes:
        rows: The rows.
        given: Features that no prediction enters, shape (n, …).
        demand: What each asks of devices and engine, shape (n,).
        weights_s: Time to read the weights once, shape (n,). [s]
        input_tokens: Shape (n,). [tokens]
        measured_s: TTFT, TPOT, E2E, NaN where not measured, shape (n, 3). [s]
        left_out: Rows that are not learned from, by reason.
    """

    rows: tuple[TrainingRow, ...]
    given: FloatArray
    demand: Demand
    weights_s: FloatArray
    input_tokens: FloatArray
    measured_s: FloatArray
    left_out: Mapping[str, int]

    @property
    def static(self) -> BoolArray:
        """Rows of static batches, shape (n,)."""
        return np.array([row.static for row in self.rows], dtype=np.bool_)

    @property
    def clean(self) -> BoolArray:
        """Rows that count in the scores, shape (n,)."""
        return np.array([row.clean for row in self.rows], dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """Physics of every row.

    Attributes:
        features: All features, shape (n, len(FEATURES)).
        analytic_s: TTFT, TPOT, E2E, shape (n, 3). [s]
    """

    features: FloatArray
    analytic_s: FloatArray


def table_of(lines: Iterable[Row], models: Models, memory: MemoryModel) -> Table:
    """Return what is learned from.

    Args:
        lines: Rows in the columns of measurements.csv.
        models: Shapes by lower-case name.
        memory: Bounds the sequences that run at once.

    Raises:
        InvalidInput: No row can be learned from.
    """
    kept: list[TrainingRow] = []
    left_out: Counter[str] = Counter()
    for line in lines:
        try:
            kept.append(_training_row(line, models))
        except BudSimError as error:
            left_out[" ".join(str(error).split())] += 1
    if not kept:
        raise InvalidInput("no row can be learned from", param="data", remedy="give rows of closed loops with mean TTFT and TPOT")
    candidates = [Candidates.from_rows([each.run.candidate]) for each in kept]
    pairs = list(zip(kept, candidates, strict=True))
    return Table(
        rows=tuple(kept),
        given=np.concatenate([given_features(each.run.scenario, columns, median=each.median) for each, columns in pairs]),
        demand=stacked([_demand(each.run.scenario, columns, each.static, memory) for each, columns in pairs], [1] * len(kept)),
        weights_s=np.concatenate([weights_s(each.run.scenario, columns) for each, columns in pairs]),
        input_tokens=np.array([each.run.scenario.workload.input_tokens for each in kept], dtype=np.float64),
        measured_s=np.array([_targets(each.row.measured) for each in kept], dtype=np.float64),
        left_out=dict(sorted(left_out.items())),
    )


def analysed(table: Table, constants: Constants) -> Analysed:
    """Return the physics of every row: the closed loop's or the batch's latencies, with these constants."""
    resolved = [constants.resolved(each.run.scenario) for each in table.rows]
    ones = [1] * len(resolved)
    efficiency, overheads = stacked([each[0] for each in resolved], ones), stacked([each[1] for each in resolved], ones)
    closed, batch = closed_loop(table.demand, efficiency, overheads), static_batch(table.demand, efficiency, overheads)
    static = table.static
    features = [analytic_features(found, weights_s=table.weights_s, input_tokens=table.input_tokens) for found in (closed, batch)]
    return Analysed(
        features=joined(table.given, np.where(static[:, None], features[1], features[0])),
        analytic_s=np.where(static[:, None], _times(batch), _times(closed)),
    )


def _times(latency: Latency) -> FloatArray:
    return np.column_stack([np.asarray(each) for each in (latency.ttft_s, latency.tpot_s, latency.e2e_s)])


def _training_row(line: Row, models: Models) -> TrainingRow:
    row, median = _measured(line, read_row(line))
    if row.mode not in LEARNED_MODES:
        raise InvalidInput(f"load mode {row.mode or 'not given'} is not learned", param="load_mode")
    if row.speculated:
        raise InvalidInput("decoded with speculation", param="spec_decode")
    if row.measured.tpot_s is None and row.measured.e2e_s is None:
        raise InvalidInput("neither TPOT nor E2E was measured", param="mean_tpot_ms")
    run = run_of(row, models)
    return TrainingRow(
        row=row,
        run=run,
        median=median,
        source=line.get("source") or "",
        licence=line.get("licence") or "",
        commit=line.get("src_commit") or "",
    )


def _measured(line: Row, row: MeasuredRow) -> tuple[MeasuredRow, bool]:
    """Return the row, a closed loop without means with its medians instead, and whether it is so."""
    medians = [positive(line, name) for name in MEDIANS]
    if row.mode != RowMode.CLOSED_LOOP or row.measured.ttft_s or None in medians:
        return row, False
    ttft, tpot = (ms_to_seconds(each or 0.0) for each in medians)
    e2e = positive(line, "median_e2e_s") or ttft + ((row.output_tokens or 1.0) - 1.0) * tpot
    return replace(row, measured=Measured(ttft_s=ttft, tpot_s=tpot, e2e_s=e2e, throughput_per_user=None)), True


def _demand(scenario: Scenario, columns: Candidates, static: bool, memory: MemoryModel) -> Demand:
    users = np.ceil(columns.concurrency / columns.data_parallel)
    slots = users if static else running_slots(scenario, columns, memory.plan(scenario, columns))
    return demand_of(scenario, columns, users=users, slots=slots)


def _targets(found: Measured) -> tuple[float, float, float]:
    ttft, tpot, e2e = (np.nan if each is None else each for each in (found.ttft_s, found.tpot_s, found.e2e_s))
    return ttft, tpot, e2e
