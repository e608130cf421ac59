"""HeuristicPredictor: the analytic model behind the Predictor protocol."""

from budsim.core.engines.candidates import Candidates
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
        latency = _latency(self._constants.case(scenario, candidates), plan)
        shares = bound_shares(candidates, plan, latency, output_tokens=scenario.workload.output_tokens)
        bands = bands_of(scenario, self._constants)
        throughput = scenario.workload.output_tokens / latency.e2e_s
        return Predictions(
            ttft_s=latency.ttft_s,
            tpot_s=latency.tpot_s,
            e2e_s=latency.e2e_s,
            throughput_per_user=throughput,
            bound=largest_share(shares),
            shares=shares,
            ttft_interval_s=bands.ttft.around(latency.ttft_s),
            throughput_interval=bands.e2e.inverse().around(throughput),
            e2e_interval_s=bands.e2e.around(latency.e2e_s),
            tpot_interval_s=bands.tpot.around(latency.tpot_s),
            saturated=latency.saturated,
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
