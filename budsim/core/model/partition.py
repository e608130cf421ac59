"""Whether quantised weights can be cut: every device must hold whole blocks or groups of the weights that share a scale."""

from typing import Final

from budsim.core.model.spec import AttentionSpec, LayerBlock, ModelSpec, Quantization
from budsim.core.model.weights import dense_format

# what engines load as it is stored, group by group; other kernels pad, or unpack what they load
_STORED_IN_GROUPS: Final = frozenset({"awq", "gptq", "w4a16", "compressed-tensors"})


def scales_divide(model: ModelSpec, block: LayerBlock, tensor_parallel: int) -> bool:
    """Return whether no scale of a layer is cut by this degree of tensor parallelism.

    Args:
        model: Whose weights may be quantised.
        block: One of its layers.
        tensor_parallel: Devices of a stage. [devices]

    Source:
        vLLM: Fp8MoEMethod.create_weights and validate_fp8_block_shape (widths by block_n and block_k), AWQ's and GPTQ's create_weights
        (inputs by group_size); SGLang has the same checks. Experts stored in groups are excepted: moe_wna16 narrows the group.
    """
    if model.quantization is None or tensor_parallel == 1:
        return True
    feed_forward, dense = block.feed_forward, dense_format(model)
    inputs = (feed_forward.intermediate_size, feed_forward.shared_intermediate_size, *_attention_inputs(model, block.attention))
    cuts = [(feed_forward.expert_intermediate_size, model.quantization.block_size)]
    cuts += [(width, step) for step in _steps(dense) for width in inputs]
    return all(width % (tensor_parallel * step) == 0 for width, step in cuts if step)


def _steps(stored: Quantization | None) -> tuple[int, ...]:
    if stored is None:
        return ()
    return (stored.block_size, stored.group_size if stored.method in _STORED_IN_GROUPS else 0)


def _attention_inputs(model: ModelSpec, attention: AttentionSpec) -> tuple[int, ...]:
    """Return the width the output projection reads, unless attention keeps the model's dtype."""
    left_out = model.quantization is not None and model.quantization.excludes_attention
    return () if left_out else (attention.query_heads * attention.value_head_dim,)
