"""KV-cache bytes of tokens and sequences on one device."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from budsim.core.model.spec import AttentionKind, AttentionSpec, ModelKind, ModelSpec

FloatOrArray = TypeVar("FloatOrArray", float, NDArray[np.float64])
STATE_VALUE_BYTES = 4.0  # recurrent states, fp32
FIXED_VALUE_BYTES = 2.0  # the rest, in the model's 16 bits


def kv_bytes_per_token(model: ModelSpec, *, tensor_parallel: int | NDArray[np.int64], bytes_per_value: FloatOrArray) -> NDArray[np.float64]:
    """Return the KV-cache bytes one token takes on one device, over the whole depth.

    Heads are split over the tensor-parallel group; with fewer KV heads than devices they are replicated. MLA keeps one latent per
    token on every device. Windows are not regarded: this is the growth while every window is still open.

    Args:
        model: Shape of the model.
        tensor_parallel: Devices the heads are split over, scalar or (n,). [devices]
        bytes_per_value: Width of a cached number, scalar or (n,). [bytes]

    Source:
        Grouped-query attention, Ainslie et al. 2023; 40 layers × 2 × 128 × 8 × 2 B = 163,840 B as vLLM reports.
    """
    split = np.asarray(tensor_parallel, dtype=np.float64)
    width = np.asarray(bytes_per_value, dtype=np.float64)
    total = np.zeros(np.broadcast(split, width).shape)
    if not keeps_cache(model):
        return total
    for block in model.blocks:
        total = total + block.count * _values_per_token(block.attention, split) * width
    return np.asarray(total, dtype=np.float64)


def kv_bytes_per_sequence(
    model: ModelSpec,
    *,
    tokens: float | NDArray[np.float64],
    tensor_parallel: int | NDArray[np.int64],
    bytes_per_value: FloatOrArray,
) -> NDArray[np.float64]:
    """Return the KV-cache bytes a sequence of `tokens` takes on one device: windows cap, states are constant.

    Args:
        model: Shape of the model.
        tokens: Length of the sequence, scalar or (n,). [tokens]
        tensor_parallel: Devices the heads are split over, scalar or (n,). [devices]
        bytes_per_value: Width of a cached number, scalar or (n,). [bytes]

    Source:
        As `kv_bytes_per_token`; sliding-window layers keep at most the window.
    """
    length = np.asarray(tokens, dtype=np.float64)
    split = np.asarray(tensor_parallel, dtype=np.float64)
    width = np.asarray(bytes_per_value, dtype=np.float64)
    total = np.zeros(np.broadcast(length, split, width).shape)
    if not keeps_cache(model):
        return total
    for block in model.blocks:
        attention = block.attention
        kept = np.minimum(length, attention.window) if attention.window else length
        total = total + block.count * (_values_per_token(attention, split) * width * kept + _state_bytes(attention, split))
    return np.asarray(total, dtype=np.float64)


def keeps_cache(model: ModelSpec) -> bool:
    """Whether the model decodes from a cache; encoders do not."""
    return model.kind is ModelKind.DECODER


def state_bytes_per_sequence(model: ModelSpec, *, tensor_parallel: int | NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what a sequence keeps on one device whatever its length: recurrent states, convolution taps, an encoder's keys. [bytes]

    Args:
        model: Shape of the model.
        tensor_parallel: Devices the heads are split over, scalar or (n,). [devices]

    Source:
        PHYSICS 5; recurrent states in fp32 as SGLang keeps them and vLLM for Nemotron-H and Qwen3-Next, the rest in 16 bits.
    """
    split = np.asarray(tensor_parallel, dtype=np.float64)
    if not keeps_cache(model):
        return np.zeros_like(split)
    return np.asarray(sum(block.count * _state_bytes(block.attention, split) for block in model.blocks), dtype=np.float64)


def _values_per_token(attention: AttentionSpec, split: NDArray[np.float64]) -> NDArray[np.float64]:
    if not attention.keeps_cache:
        return np.zeros_like(split)
    match attention.kind:
        case AttentionKind.GQA:
            heads = np.ceil(attention.kv_heads / split)
            return np.asarray(heads * (attention.head_dim + attention.value_head_dim))
        case AttentionKind.MLA:
            return np.full_like(split, attention.kv_lora_rank + attention.rope_head_dim)
        case AttentionKind.STATE:
            return np.zeros_like(split)


def _state_bytes(attention: AttentionSpec, split: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((attention.state_values * STATE_VALUE_BYTES + attention.fixed_values * FIXED_VALUE_BYTES) / split)
