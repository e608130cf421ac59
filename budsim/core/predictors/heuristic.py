"""HeuristicPredictor: the analytic model behind the Predictor protocol."""

from itertools import chain

import numpy as np

from budsim.core.elementwise import column, columns
from budsim.core.engines.candidates import Candidates, Rows, evaluated, row_count
from budsim.core.engines.spec import Scenario
from budsim.core.latency.case import Case
from budsim.core.latency.constants import Constants, shipped_constants
from budsim.core.latency.open_loop import open_latency
from budsim.core.latency.pooling import pooled_latency
from budsim.core.latency.proxied import proxied_latency
from budsim.core.latency.scheduler import Latency, steady_latency
from budsim.core.latency.static_batch import static_latency
from budsim.core.memory.plan import MemoryModel, MemoryPlan
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.bounds import bound_shares, largest_share
from budsim.core.predictors.intervals import bands_of
from budsim.core.predictors.protocol import Interval, Method, Predictions
from budsim.core.workload import LoadMode


class HeuristicPredictor:
    """Physics alone."""

    def __init__(self, *, memory: MemoryModel, constants: Constants | None = None) -> None:
        self._memory = memory
        self._constants = constants or shipped_constants()

    @property
    def method(self) -> Method:
        """The method that answers."""
        return Method.HEURISTIC

    @property
    def version(self) -> str:
        """Version of the constants."""
        return self._constants.version

    def predict(self, scenario: Scenario, candidates: Candidates) -> Predictions:
        """Return the analytic predictions of every candidate.

        Args:
            scenario: Model, device, engine and load of a part.
            candidates: Columns of shape (n,).
        """
        return self.analysed(scenario, candidates)[0]

    def analysed(self, scenario: Scenario, candidates: Candidates) -> tuple[Predictions, Latency]:
        """Return the analytic predictions of every candidate, and the latencies they come from.

        Args:
            scenario: Model, device, engine and load of a part.
            candidates: Columns of shape (n,).
        """
        plan = self._memory.plan(scenario, candidates)
        return evaluated(lambda rows: self._predictions(scenario, rows, plan), candidates)

    def _predictions(self, scenario: Scenario, rows: Rows, plan: MemoryPlan) -> tuple[Predictions, Latency]:
        latency, bands, count = _latency(self._constants.case(scenario, rows), plan), bands_of(scenario, self._constants), row_count(rows)
        shares = bound_shares(rows, plan, latency, output_tokens=scenario.workload.output_tokens)
        throughput = scenario.workload.output_tokens / latency.e2e_s
        ranges = (
            bands.ttft.around(latency.ttft_s),
            bands.tpot.around(latency.tpot_s),
            bands.e2e.around(latency.e2e_s),
            bands.throughput.around(throughput),
        )
        figures = columns([latency.ttft_s, latency.tpot_s, latency.e2e_s, throughput, *chain(*ranges)], count)
        intervals = [Interval(low=low, high=high) for low, high in zip(figures[4::2], figures[5::2], strict=True)]
        found = Predictions(
            ttft_s=figures[0],
            tpot_s=figures[1],
            e2e_s=figures[2],
            throughput_per_user=figures[3],
            bound=largest_share(shares),
            shares=shares,
            ttft_interval_s=intervals[0],
            tpot_interval_s=intervals[1],
            e2e_interval_s=intervals[2],
            throughput_interval=intervals[3],
            saturated=None if latency.saturated is None else column(latency.saturated, count).astype(np.bool_),
        )
        return found, latency


def _latency(case: Case, plan: MemoryPlan) -> Latency:
    match case.scenario.model.kind:
        case ModelKind.DECODER:
            return _decoded(case, plan)
        case ModelKind.ENCODER | ModelKind.EMBEDDING:
            return pooled_latency(case)
        case ModelKind.PROPRIETARY:
            return proxied_latency(case)


def _decoded(case: Case, plan: MemoryPlan) -> Latency:
    match case.scenario.workload.mode:
        case LoadMode.CLOSED_LOOP:
            return steady_latency(case, plan)
        case LoadMode.STATIC_BATCH:
            return static_latency(case)
        case LoadMode.OPEN_LOOP:
            return open_latency(case, plan)
