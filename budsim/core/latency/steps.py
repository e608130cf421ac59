"""Time of a decode step and of a prompt, with the shares of what takes it."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.latency.collectives import communication_s
from budsim.core.latency.efficiency import efficiency_of
from budsim.core.latency.operators import Work, decode_attention_work, head_work, linear_work, prefill_attention_work
from budsim.core.latency.roofline import operator_time_s, peak_flop_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """One step of a whole replica, shape (n,). [s]"""

    compute_s: FloatArray  # time of the operators, as if only work bound them
    bandwidth_s: FloatArray  # the same, as if only traffic did
    operators_s: FloatArray  # per operator the larger of the two
    communication_s: FloatArray
    overhead_s: FloatArray

    @property
    def total_s(self) -> FloatArray:
        """Operators, communication and overhead."""
        return self.operators_s + self.communication_s + self.overhead_s


def decode_step(scenario: Scenario, candidates: Candidates, *, sequences: FloatArray, context: FloatArray) -> StepTime:
    """Return one decode step of `sequences` at mean length `context`."""
    model = scenario.model
    works = (
        linear_work(model, sequences),
        head_work(model, sequences),
        decode_attention_work(model, candidates, sequences=sequences, context=context),
    )
    return _timed(scenario, candidates, works, tokens=sequences, sequences=sequences)


def prefill(scenario: Scenario, candidates: Candidates, *, prompt: FloatArray) -> StepTime:
    """Return one prompt run alone, its chunks' repeated weight reads included."""
    model = scenario.model
    chunks = np.ceil(prompt / candidates.max_num_batched_tokens)
    one = np.ones_like(prompt)
    linear = linear_work(model, prompt / chunks)
    works = (
        Work(flop=linear.flop * chunks, moved_bytes=linear.moved_bytes * chunks),
        head_work(model, one),
        prefill_attention_work(model, sequences=one, prompt=prompt),
    )
    return _timed(scenario, candidates, works, tokens=prompt, sequences=one, steps=chunks)


def prefill_margin_s(scenario: Scenario, candidates: Candidates, *, prompt: FloatArray) -> FloatArray:
    """Return what a prompt adds to steps that run anyway: its work and communication, without the weight reads. [s]

    Source:
        PHYSICS 11: the marginal prefill.
    """
    whole = prefill(scenario, candidates, prompt=prompt)
    return whole.compute_s + whole.communication_s


def _timed(
    scenario: Scenario,
    candidates: Candidates,
    works: tuple[Work, ...],
    *,
    tokens: FloatArray,
    sequences: FloatArray,
    steps: FloatArray | float = 1.0,
) -> StepTime:
    reached = efficiency_of(scenario.device.device_type)
    split = candidates.tensor_parallel.astype(np.float64)
    rate = peak_flop_per_s(scenario.device, scenario.model) * reached.compute
    bandwidth = scenario.device.bandwidth_bytes_per_s * reached.bandwidth
    times = [operator_time_s(work.flop / split, work.moved_bytes / split, flop_per_s=rate, bytes_per_s=bandwidth) for work in works]
    return StepTime(
        compute_s=np.asarray(sum(work.flop for work in works) / split / rate),
        bandwidth_s=np.asarray(sum(work.moved_bytes for work in works) / split / bandwidth),
        operators_s=np.asarray(sum(times)),
        communication_s=communication_s(scenario.model, scenario.device, candidates, tokens),
        overhead_s=np.asarray(
            steps * (scenario.model.layers * reached.per_layer_s + reached.per_step_s) + sequences * reached.per_sequence_s
        ),
    )
