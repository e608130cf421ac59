"""Peak of activations: the forward pass of the largest step, or its sampling, whichever is larger."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.model.kv_cache import keeps_cache
from budsim.core.model.spec import LayerBlock, ModelSpec

BYTES_PER_VALUE: Final = 2.0  # bf16, whatever the weights are stored in
# residual, hidden state, normed input and the output of the block live at once
LIVE_HIDDEN_STATES: Final = 4.0
# logits of all sequences over the whole vocabulary, on every device: fp32 logits, their sorted copy with 8-byte indices, probabilities,
# cumulated probabilities, masks. Eight H100 start-ups of vLLM (PHYSICS 6) peak at 4.8 GiB with 1,024 × 128,256 logits and at 5.6 GiB
# with 1,024 × 151,936: 39.2 and 38.6 bytes a logit.
SAMPLING_BYTES_PER_LOGIT: Final = 39.0


def activation_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return the largest activations on one device, shape (n,). [bytes]

    Source:
        Tensors of one layer of vLLM's models that live at once; sampling from PHYSICS 6.
    """
    widest = np.zeros(len(candidates))
    for block in model.blocks:
        widest = np.maximum(widest, np.maximum(_attention_values(block), _feed_forward_values(block)) / candidates.tensor_parallel)
        widest = np.maximum(widest, _routed_values(model, block, candidates))
    forward = BYTES_PER_VALUE * candidates.max_num_batched_tokens * (LIVE_HIDDEN_STATES * model.hidden_size + widest)
    sampling = SAMPLING_BYTES_PER_LOGIT * model.vocab_size * candidates.max_num_seqs if keeps_cache(model) else 0.0
    return np.asarray(np.maximum(forward, sampling), dtype=np.float64)


def _attention_values(block: LayerBlock) -> float:
    """Return queries, keys, values and the mixed output of one token."""
    attention = block.attention
    keys = attention.kv_heads * (attention.head_dim + attention.value_head_dim)
    return float(attention.query_heads * (attention.head_dim + attention.rope_head_dim + attention.value_head_dim) + keys)


def _feed_forward_values(block: LayerBlock) -> float:
    """Return gate, up and their product for one token."""
    feed_forward = block.feed_forward
    return 3.0 * max(feed_forward.intermediate_size, feed_forward.shared_intermediate_size)


def _routed_values(model: ModelSpec, block: LayerBlock, candidates: Candidates) -> FloatArray:
    """Return what the experts of one token hold: gate and up, or the outputs in their place, and their product."""
    feed_forward = block.feed_forward
    inner = feed_forward.expert_intermediate_size / candidates.tensor_parallel
    return np.asarray(feed_forward.experts_per_token * (np.maximum(2.0 * inner, model.hidden_size) + inner))
