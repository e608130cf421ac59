"""Weight bytes: parameters × width, with the scales of quantised formats."""

from budsim.core.model.parameters import (
    attention_parameters,
    dense_feed_forward_parameters,
    embedding_parameters,
    expert_parameters,
    layer_parameters,
    lm_head_parameters,
    norm_parameters,
)
from budsim.core.model.spec import LayerBlock, ModelSpec, Quantization

BITS_PER_BYTE = 8.0
SCALE_BITS = 16.0  # one fp16 scale a group: AWQ, GPTQ and compressed-tensors store them so
# other formats' scales: E8M0 (OCP Microscaling Formats 1.0), E4M3 (NVFP4), fp32 (bitsandbytes without double quantisation)
_SCALE_BITS = {"mxfp4": 8.0, "mxfp8": 8.0, "nvfp4": 8.0, "w4a16_nvfp4": 8.0, "bitsandbytes": 32.0}
_ZERO_POINTS = frozenset({"awq", "gptq"})  # these store a zero point of the weight's own width beside each scale


def linear_bytes_per_weight(model: ModelSpec) -> float:
    """Return the mean width of a weight in the quantised linear layers, group scales and zero points included. [bytes]

    Source:
        4-bit weights in groups of 128 with a 16-bit scale and a 4-bit zero point are 4.16 bits; MXFP4 is 4 + 8/32 = 4.25 bits.
    """
    quantization = model.quantization
    return model.precision.bytes if quantization is None else stored_bytes_per_weight(quantization)


def stored_bytes_per_weight(quantization: Quantization) -> float:
    """Return the mean width of a weight in a format, group scales and zero points included. [bytes]"""
    return (quantization.weight_bits + _group_bits(quantization)) / BITS_PER_BYTE


def dense_format(model: ModelSpec) -> Quantization | None:
    """Return how the weights every token meets are stored; None where they are in the model's dtype."""
    quantization = model.quantization
    if quantization is None or quantization.experts_only:
        return None
    return quantization.dense or quantization


def dense_bytes_per_weight(model: ModelSpec) -> float:
    """Return the mean width of a weight every token meets: attention, dense feed-forward, shared experts, router. [bytes]"""
    stored = dense_format(model)
    if stored is None:
        return model.precision.bytes
    width = stored_bytes_per_weight(stored)
    quantization = model.quantization
    if quantization and quantization.dense and not model.is_moe:
        return _mean_width(model, mixing_bytes=width, rest_bytes=stored_bytes_per_weight(quantization))
    if quantization and quantization.excludes_attention:
        return _mean_width(model, mixing_bytes=model.precision.bytes, rest_bytes=width)
    return width


def _mean_width(model: ModelSpec, *, mixing_bytes: float, rest_bytes: float) -> float:
    """Return the mean width where attention is stored in another format than the feed-forward. [bytes]"""
    mixing = sum(block.copies * attention_parameters(model, block.attention) for block in model.blocks)
    rest = sum(block.copies * dense_feed_forward_parameters(model, block) for block in model.blocks)
    return (mixing * mixing_bytes + rest * rest_bytes) / max(1, mixing + rest)


def embedding_bytes_per_weight(model: ModelSpec) -> float:
    """Return the width of an embedding or LM-head weight. [bytes]"""
    quantization = model.quantization
    return model.precision.bytes if quantization is None or quantization.excludes_embeddings else linear_bytes_per_weight(model)


def weight_bytes(model: ModelSpec) -> float:
    """Return the bytes of all weights. [bytes]"""
    ends = embedding_parameters(model) + lm_head_parameters(model)
    beside = model.hidden_size + model.extra_parameters  # the last norm, positions and towers keep the model's dtype
    return layers_weight_bytes(model) + ends * embedding_bytes_per_weight(model) + beside * model.precision.bytes


def layers_weight_bytes(model: ModelSpec) -> float:
    """Return the bytes of the layers alone: without embedding, LM head and extras. [bytes]"""
    return sum(block.copies * layer_weight_bytes(model, block) for block in model.blocks)


def layer_weight_bytes(model: ModelSpec, block: LayerBlock) -> float:
    """Return the bytes of one layer of a block, its routed experts included. [bytes]"""
    norms = norm_parameters(model, block)
    dense = layer_parameters(model, block) - expert_parameters(model, block) - norms
    return dense * dense_bytes_per_weight(model) + norms * model.precision.bytes + expert_weight_bytes(model, block)


def expert_weight_bytes(model: ModelSpec, block: LayerBlock) -> float:
    """Return the bytes of all routed experts of one layer. [bytes]"""
    return expert_parameters(model, block) * linear_bytes_per_weight(model)


def _group_bits(quantization: Quantization) -> float:
    """Return the bits of scale and zero point each weight carries."""
    if not quantization.group_size:
        return 0.0
    scale = quantization.scale_bits or _SCALE_BITS.get(quantization.method, SCALE_BITS)
    zero = quantization.weight_bits if quantization.method in _ZERO_POINTS else 0.0
    return (scale + zero) / quantization.group_size
