"""What the devices of one replica put on their links."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.model.spec import AttentionKind, ModelSpec

REDUCES_PER_LAYER: Final = 2.0  # after attention and after the feed-forward (PHYSICS 7)
ACTIVATION_BYTES: Final = 2.0  # bf16


def message_bytes(model: ModelSpec, tokens: FloatArray) -> FloatArray:
    """Return the activations of `tokens` between two layers, shape (n,). [bytes]"""
    return tokens * model.hidden_size * ACTIVATION_BYTES


def ring_bytes(candidates: Candidates, message: FloatArray) -> FloatArray:
    """Return what one all-reduce over the tensor-parallel group sends from each device; nothing for a single one, shape (n,). [bytes]

    Source:
        PHYSICS 7: a ring sends 2(t−1)/t of the message.
    """
    split = candidates.tensor_parallel.astype(np.float64)
    return np.asarray(2.0 * (split - 1.0) / split * message)


def exchange_bytes(model: ModelSpec, candidates: Candidates, message: FloatArray) -> FloatArray:
    """Return dispatch and combine of tokens between data-parallel ranks that share the experts, all layers, shape (n,). [bytes]

    Source:
        PHYSICS 9: 2·tokens·k·h·b, less what stays on the rank.
    """
    ranks = candidates.data_parallel.astype(np.float64)
    total = np.zeros_like(message)
    for block in model.blocks:
        if block.feed_forward.experts:
            copies = np.minimum(block.feed_forward.experts_per_token, ranks)
            total = total + block.count * 2.0 * copies * message * (ranks - 1.0) / ranks
    return total


def routed_layers(model: ModelSpec) -> int:
    """Return the layers that route tokens to experts."""
    return sum(block.count for block in model.blocks if block.feed_forward.experts)


def folded_layers(model: ModelSpec) -> int:
    """Return the layers of latent or linear attention."""
    return sum(block.count for block in model.blocks if block.attention.kind is not AttentionKind.GQA)
