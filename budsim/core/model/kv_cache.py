"""KV-cache bytes of tokens and sequences on one device."""

from dataclasses import dataclass
from math import ceil

from budsim.core.elementwise import Figure, minimum, rounded_up, where
from budsim.core.model.spec import AttentionKind, AttentionSpec, ModelKind, ModelSpec
from budsim.core.remembered import remembered

STATE_VALUE_BYTES = 4.0  # recurrent states, fp32
FIXED_VALUE_BYTES = 2.0  # the rest, in the model's 16 bits
SCALED_VALUES, SCALE_BYTES = 128, 4.0  # an 8-bit latent or index key has an fp32 scale for each run of values


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Layers that cache every token alike.

    Attributes:
        values: Values a token adds on a single device, of one head where heads are split, over all these layers.
        heads: Heads that are split over devices; None where each device holds all.
        window: Tokens that are kept; None = all.
    """

    values: float
    heads: int | None
    window: int | None


def kv_bytes_per_token(model: ModelSpec, *, tensor_parallel: Figure, bytes_per_value: Figure) -> Figure:
    """Return the KV-cache bytes one token takes on one device, over the whole depth.

    Heads are split over the tensor-parallel group; with fewer KV heads than devices they are replicated. MLA keeps one latent per
    token on every device, and so does the key of a sparse index, which is kept in 8 bits whatever the cache is; beside it an 8-bit latent
    has scales and a rotary part of 16 bits. Windows are not regarded: this is the growth while every window is still open.

    Args:
        model: Shape of the model.
        tensor_parallel: Devices the heads are split over, scalar or (n,). [devices]
        bytes_per_value: Width of a cached number, scalar or (n,). [bytes]

    Source:
        Grouped-query attention, Ainslie et al. 2023; 40 layers × 2 × 128 × 8 × 2 B = 163,840 B as vLLM reports. Index and
        656-byte latent: DeepseekV32IndexerCache and fp8_ds_mla of vLLM, NSATokenToKVPool of SGLang; GLM-5.1 on 8 × H200: 100,171 B.
    """
    values: Figure = 0.0
    for growth in _growths(model):
        values = values + _values_per_token(growth, tensor_parallel)
    return values * bytes_per_value + _index_bytes(model, bytes_per_value)


def kv_bytes_per_sequence(model: ModelSpec, *, tokens: Figure, tensor_parallel: Figure, bytes_per_value: Figure) -> Figure:
    """Return the KV-cache bytes a sequence of `tokens` takes on one device: windows cap, states are constant.

    Args:
        model: Shape of the model.
        tokens: Length of the sequence, scalar or (n,). [tokens]
        tensor_parallel: Devices the heads are split over, scalar or (n,). [devices]
        bytes_per_value: Width of a cached number, scalar or (n,). [bytes]

    Source:
        As `kv_bytes_per_token`; sliding-window layers keep at most the window.
    """
    values: Figure = 0.0
    for growth in _growths(model):
        kept = tokens if growth.window is None else minimum(tokens, growth.window)
        values = values + _values_per_token(growth, tensor_parallel) * kept
    values = values * bytes_per_value + _index_bytes(model, bytes_per_value) * tokens
    return values + state_bytes_per_sequence(model, tensor_parallel=tensor_parallel)


def keeps_cache(model: ModelSpec) -> bool:
    """Whether the model decodes from a cache; encoders do not."""
    return model.kind is ModelKind.DECODER


def state_bytes_per_sequence(model: ModelSpec, *, tensor_parallel: Figure) -> Figure:
    """Return what a sequence keeps on one device whatever its length: recurrent states, convolution taps, an encoder's keys. [bytes]

    Args:
        model: Shape of the model.
        tensor_parallel: Devices the heads are split over, scalar or (n,). [devices]

    Source:
        PHYSICS 5; recurrent states in fp32 as SGLang keeps them and vLLM for Nemotron-H and Qwen3-Next, the rest in 16 bits.
    """
    return _state_bytes(model) / tensor_parallel


def _index_bytes(model: ModelSpec, bytes_per_value: Figure) -> Figure:
    """Return what a token adds beside its latents, over all sparse layers. [bytes]"""
    keys, beside_narrow = _indexed(model)
    return keys + where(bytes_per_value < FIXED_VALUE_BYTES, beside_narrow, 0.0) if keys else 0.0


@remembered
def _indexed(model: ModelSpec) -> tuple[float, float]:
    """Return the bytes of index keys of all layers, and what an 8-bit latent takes beyond a byte a value."""
    sparse = [(block.count, block.attention) for block in model.blocks if block.attention.index_head_dim and keeps_cache(model)]
    keys = sum(count * (each.index_head_dim + _scales(each.index_head_dim)) for count, each in sparse)
    return keys, sum(count * (each.rope_head_dim + _scales(each.kv_lora_rank)) for count, each in sparse)


def _scales(values: int) -> float:
    return ceil(values / SCALED_VALUES) * SCALE_BYTES


@remembered
def _growths(model: ModelSpec) -> tuple[Growth, ...]:
    found: dict[tuple[int | None, int | None], float] = {}
    for block in model.blocks if keeps_cache(model) else ():
        heads, values = _cached(block.attention)
        key = (heads, block.attention.window or None)
        found[key] = found.get(key, 0.0) + float(block.count * values)
    return tuple(Growth(values=values, heads=heads, window=window) for (heads, window), values in found.items() if values)


def _cached(attention: AttentionSpec) -> tuple[int | None, int]:
    """Return the heads that are split, and the values of one of them, or of what every device holds."""
    if not attention.keeps_cache:
        return None, 0
    match attention.kind:
        case AttentionKind.GQA:
            return attention.kv_heads, attention.head_dim + attention.value_head_dim
        case AttentionKind.MLA:
            return None, attention.kv_lora_rank + attention.rope_head_dim
        case AttentionKind.STATE:
            return None, 0


@remembered
def _state_bytes(model: ModelSpec) -> float:
    if not keeps_cache(model):
        return 0.0
    return sum(
        block.count * (block.attention.state_values * STATE_VALUE_BYTES + block.attention.fixed_values * FIXED_VALUE_BYTES)
        for block in model.blocks
    )


def _values_per_token(growth: Growth, split: Figure) -> Figure:
    return growth.values if growth.heads is None else growth.values * rounded_up(growth.heads / split)
