"""Time of communication between devices."""

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.hardware.spec import Accelerator
from budsim.core.model.spec import ModelSpec

REDUCES_PER_LAYER = 2.0  # after attention and after the feed-forward
ACTIVATION_BYTES = 2.0  # bf16


def communication_s(model: ModelSpec, device: Accelerator, candidates: Candidates, tokens: FloatArray) -> FloatArray:
    """Return the all-reduces of one step over `tokens` and its hops between stages, shape (n,). [s]

    Source:
        PHYSICS 7 and 8: ring all-reduce 2(t−1)/t·m/bw + latency, twice a layer; a hop m/bw + latency.
    """
    message = tokens * model.hidden_size * ACTIVATION_BYTES
    split = candidates.tensor_parallel.astype(np.float64)
    link = device.intra_node
    reduce = 2.0 * (split - 1.0) / split * message / link.bandwidth_bytes_per_s + link.latency_s
    reduces = np.where(split > 1, REDUCES_PER_LAYER * model.layers * reduce, 0.0)
    hop = message / device.inter_node.bandwidth_bytes_per_s + device.inter_node.latency_s
    return np.asarray(reduces + (candidates.pipeline_parallel - 1) * hop, dtype=np.float64)
