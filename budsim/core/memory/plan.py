"""MemoryPlan: where the bytes of one device go, for arrays of candidates."""

from typing import Protocol

from budsim.core.engines.candidates import BoolArray, Candidates, FloatArray, IntArray
from budsim.core.engines.spec import Scenario
from budsim.core.values import light_value


@light_value
class MemoryPlan:
    """Columns of shape (n,), per device of the fullest stage unless said. [bytes]

    Attributes:
        weights_bytes: Weights of the stage.
        kv_needed_bytes: KV cache of the planned concurrency at the planned sequence length.
        kv_capacity_bytes: KV cache the engine could reserve.
        activation_bytes: Peak of activations in the largest step.
        overhead_bytes: Non-torch memory, and graphs where they count against the engine's share.
        total_bytes: What the plan needs: weights, KV needed, activations, overhead.
        usable_bytes: What it may use, buffer and utilisation applied.
        fits: Whether total is within usable.
        max_concurrency: Sequences of the planned length that fit at once, whole replica.
        kv_bytes_per_token: KV bytes one token takes on one device.
    """

    weights_bytes: FloatArray
    kv_needed_bytes: FloatArray
    kv_capacity_bytes: FloatArray
    activation_bytes: FloatArray
    overhead_bytes: FloatArray
    total_bytes: FloatArray
    usable_bytes: FloatArray
    fits: BoolArray
    max_concurrency: IntArray
    kv_bytes_per_token: FloatArray


class MemoryModel(Protocol):
    """Anything that says where the bytes go."""

    def plan(self, scenario: Scenario, candidates: Candidates) -> MemoryPlan:
        """Return the plan of every candidate, in order."""
        ...
