"""HeuristicPredictor: the analytic model behind the Predictor protocol."""

import numpy as np

from budsim.core.elementwise import column
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
from budsim.core.predictors.protocol import Method, Predictions
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
        plan = self._memory.plan(scenario, candidates)
        return evaluated(lambda rows: self._predictions(scenario, rows, plan), candidates)

    def _predictions(self, scenario: Scenario, rows: Rows, plan: MemoryPlan) -> Predictions:
        latency, count = _latency(self._constants.case(scenario, rows), plan), row_count(rows)
        shares = bound_shares(rows, plan, latency, output_tokens=scenario.workload.output_tokens)
        bands, saturated = bands_of(scenario, self._constants), latency.saturated
        ttft, tpot, e2e = column(latency.ttft_s, count), column(latency.tpot_s, count), column(latency.e2e_s, count)
        throughput = column(scenario.workload.output_tokens / latency.e2e_s, count)
        return Predictions(
            ttft_s=ttft,
            tpot_s=tpot,
            e2e_s=e2e,
            throughput_per_user=throughput,
            bound=largest_share(shares),
            shares=shares,
            ttft_interval_s=bands.ttft.around(ttft),
            throughput_interval=bands.e2e.inverse().around(throughput),
            e2e_interval_s=bands.e2e.around(e2e),
            tpot_interval_s=bands.tpot.around(tpot),
            saturated=None if saturated is None else column(saturated, count).astype(np.bool_),
        )


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
