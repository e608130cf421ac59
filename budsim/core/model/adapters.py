"""Bytes of a LoRA adapter."""

from typing import Final

from budsim.core.model.spec import AttentionKind, LayerBlock, ModelSpec, Precision

BYTES_PER_VALUE: Final = Precision.BF16.bytes  # lora_dtype auto: what the model computes in


def adapter_bytes(model: ModelSpec, *, rank: int, tensor_parallel: int) -> float:
    """Return what one adapter takes on one device: two matrices of `rank` for each linear layer, embedding and LM head. [bytes]

    Of a layer whose output is split, the first matrix is held whole and the second split; of one whose input is split, the other way
    round. Routed experts have none.

    Args:
        model: Shape of the model.
        rank: Columns of the first matrix.
        tensor_parallel: Devices the layers are split over. [devices]

    Source:
        create_lora_weights of vLLM's lora/layers with fully_sharded_loras off.
    """
    layers = sum(block.count * _widths(model.hidden_size, block, tensor_parallel) for block in model.blocks)
    ends = 2 * (model.vocab_size + model.hidden_size)
    return float((layers + ends) * rank) * BYTES_PER_VALUE


def _widths(hidden: int, block: LayerBlock, tensor_parallel: int) -> float:
    """Return the values of one layer's matrices for each column of rank."""
    feed_forward = block.feed_forward
    inner = (feed_forward.intermediate_size + feed_forward.shared_intermediate_size) / tensor_parallel
    columns = 2 if feed_forward.gated else 1
    dense = columns * (hidden + inner) + (inner + hidden) if inner else 0.0
    return dense + _attention_widths(hidden, block, tensor_parallel)


def _attention_widths(hidden: int, block: LayerBlock, tensor_parallel: int) -> float:
    attention = block.attention
    if attention.kind is not AttentionKind.GQA:
        return 0.0
    heads = attention.query_heads / tensor_parallel
    kept = max(1.0, attention.kv_heads / tensor_parallel) if attention.kv_heads else 0.0
    projected = heads * attention.head_dim + kept * (attention.head_dim + attention.value_head_dim)
    return 3 * hidden + projected + heads * attention.value_head_dim + hidden
