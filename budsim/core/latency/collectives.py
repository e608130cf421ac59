"""Time of communication between the devices of one replica."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.hardware.spec import Accelerator, Link
from budsim.core.latency.efficiency import Efficiency
from budsim.core.model.spec import ModelSpec

REDUCES_PER_LAYER: Final = 2.0  # after attention and after the feed-forward (PHYSICS 7)
ACTIVATION_BYTES: Final = 2.0  # bf16


def communication_s(
    model: ModelSpec, device: Accelerator, candidates: Candidates, efficiency: Efficiency, *, tokens: FloatArray
) -> FloatArray:
    """Return what a step over `tokens` of each data-parallel rank spends on links, shape (n,). [s]

    Hops between pipeline stages are counted over the link between nodes, though stages may share one: no replica is slower than told.

    Source:
        PHYSICS 7–9.
    """
    message = tokens * model.hidden_size * ACTIVATION_BYTES
    reduces = REDUCES_PER_LAYER * model.layers * all_reduce_s(message, candidates, device.intra_node, per_reduce_s=efficiency.per_reduce_s)
    hops = (candidates.pipeline_parallel - 1) * (message / device.inter_node.bandwidth_bytes_per_s + device.inter_node.latency_s)
    return np.asarray(reduces + hops + _exchange_s(model, device.intra_node, candidates, message))


def all_reduce_s(message_bytes: FloatArray, candidates: Candidates, link: Link, *, per_reduce_s: float) -> FloatArray:
    """Return one all-reduce over the tensor-parallel group; nothing for a single device, shape (n,). [s]

    Source:
        PHYSICS 7: ring 2(t−1)/t·m/bw + latency; a small message costs the latency alone.
    """
    split = candidates.tensor_parallel.astype(np.float64)
    ring = 2.0 * (split - 1.0) / split * message_bytes / link.bandwidth_bytes_per_s
    return np.asarray(np.where(split > 1, ring + link.latency_s + per_reduce_s, 0.0))


def _exchange_s(model: ModelSpec, link: Link, candidates: Candidates, message: FloatArray) -> FloatArray:
    """Return dispatch and combine of tokens between data-parallel ranks that share the experts.

    Source:
        PHYSICS 9: 2·tokens·k·h·b/bw, less what stays on the rank.
    """
    ranks = candidates.data_parallel.astype(np.float64)
    total = np.zeros_like(message)
    for block in model.blocks:
        if block.feed_forward.experts:
            copies = np.minimum(block.feed_forward.experts_per_token, ranks)
            wire = 2.0 * copies * message * (ranks - 1.0) / ranks / link.bandwidth_bytes_per_s
            total = total + block.count * np.where(ranks > 1, wire + 2.0 * link.latency_s, 0.0)
    return total
