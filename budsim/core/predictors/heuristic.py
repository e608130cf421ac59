"""HeuristicPredictor: the analytic model behind the Predictor protocol."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray, IntArray
from budsim.core.engines.spec import Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.latency.efficiency import CONSTANTS_VERSION, EFFICIENCIES, Efficiency
from budsim.core.latency.scheduler import Latency, steady_latency
from budsim.core.memory.plan import MemoryModel, MemoryPlan
from budsim.core.predictors.protocol import BOUND_CODES, Bound, Interval, Method, Predictions

# half-widths of 90 % bands as factors; PHYSICS «What accuracy is known to be possible»: ×/÷1.8 on unseen models, TTFT about twice as wide
TTFT_FACTOR: Final = 3.0
E2E_FACTOR: Final = 1.8


class HeuristicPredictor:
    """Physics alone."""

    def __init__(self, *, memory: MemoryModel, efficiencies: Mapping[DeviceType, Efficiency] = EFFICIENCIES) -> None:
        self._memory = memory
        self._efficiencies = efficiencies

    @property
    def method(self) -> Method:
        """The method that answers."""
        return Method.HEURISTIC

    @property
    def version(self) -> str:
        """Version of the constants."""
        return CONSTANTS_VERSION

    def predict(self, scenario: Scenario, candidates: Candidates) -> Predictions:
        """Return the analytic predictions of every candidate.

        Args:
            scenario: Model, device, engine and load of a part.
            candidates: Columns of shape (n,).
        """
        plan = self._memory.plan(scenario, candidates)
        latency = steady_latency(scenario, candidates, plan, self._efficiencies[scenario.device.device_type])
        throughput = scenario.workload.output_tokens / latency.e2e_s
        return Predictions(
            ttft_s=latency.ttft_s,
            tpot_s=latency.tpot_s,
            e2e_s=latency.e2e_s,
            throughput_per_user=throughput,
            bound=bound_codes(candidates, plan, latency),
            ttft_interval_s=_band(latency.ttft_s, TTFT_FACTOR),
            throughput_interval=_band(throughput, E2E_FACTOR),
            e2e_interval_s=_band(latency.e2e_s, E2E_FACTOR),
        )


def bound_codes(candidates: Candidates, plan: MemoryPlan, latency: Latency) -> IntArray:
    """Return what takes the largest share of the latency, as codes of BOUND_CODES."""
    step = latency.decode
    computing = step.compute_s >= step.bandwidth_s
    shares = {
        Bound.COMPUTE: np.where(computing, step.operators_s, 0.0) + latency.prefill_share * latency.tpot_s,
        Bound.BANDWIDTH: np.where(computing, 0.0, step.operators_s),
        Bound.COMMUNICATION: step.communication_s,
        Bound.OVERHEAD: step.overhead_s,
    }
    names = tuple(shares)
    codes = np.array([BOUND_CODES.index(name) for name in names])[np.argmax(np.stack([shares[name] for name in names]), axis=0)]
    waits = latency.queue_s > 0.5 * latency.e2e_s
    starved = waits & (plan.max_concurrency < candidates.max_num_seqs)
    codes = np.where(waits, BOUND_CODES.index(Bound.QUEUE), codes)
    return np.asarray(np.where(starved, BOUND_CODES.index(Bound.KV_CAPACITY), codes), dtype=np.int64)


def _band(mean: FloatArray, factor: float) -> Interval:
    return Interval(low=mean / factor, high=mean * factor)
