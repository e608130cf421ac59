"""Weight bytes: parameters × width, with the scales of quantised formats."""

from budsim.core.model.parameters import (
    embedding_parameters,
    expert_parameters,
    layer_parameters,
    lm_head_parameters,
    parameter_count,
)
from budsim.core.model.spec import LayerBlock, ModelSpec

SCALE_BITS = 16.0  # one fp16 scale a group: AWQ, GPTQ and compressed-tensors store them so
BITS_PER_BYTE = 8.0


def linear_bytes_per_weight(model: ModelSpec) -> float:
    """Return the mean width of a weight in the linear layers, group scales included. [bytes]

    Source:
        A scale of 16 bits for each group: 4-bit weights in groups of 128 cost 4.125 bits before zero points.
    """
    quantization = model.quantization
    if quantization is None:
        return model.precision.bytes
    scale = SCALE_BITS / quantization.group_size if quantization.group_size else 0.0
    return (quantization.weight_bits + scale) / BITS_PER_BYTE


def embedding_bytes_per_weight(model: ModelSpec) -> float:
    """Return the width of an embedding or LM-head weight. [bytes]"""
    quantization = model.quantization
    return model.precision.bytes if quantization is None or quantization.excludes_embeddings else linear_bytes_per_weight(model)


def weight_bytes(model: ModelSpec) -> float:
    """Return the bytes of all weights. [bytes]"""
    outside = embedding_parameters(model) + lm_head_parameters(model) + model.extra_parameters
    inside = parameter_count(model) - outside
    return inside * linear_bytes_per_weight(model) + outside * embedding_bytes_per_weight(model)


def layers_weight_bytes(model: ModelSpec) -> float:
    """Return the bytes of the layers alone: without embedding, LM head and extras. [bytes]"""
    return sum(block.count * layer_parameters(model, block) for block in model.blocks) * linear_bytes_per_weight(model)


def expert_weight_bytes(model: ModelSpec, block: LayerBlock) -> float:
    """Return the bytes of all routed experts of one layer. [bytes]"""
    return expert_parameters(model, block) * linear_bytes_per_weight(model)
