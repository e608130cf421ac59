"""The token mixing of each layer, from a config's fields."""

from dataclasses import replace

from budsim.core.errors import UnsupportedModel
from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields
from budsim.core.model.spec import AttentionKind, AttentionSpec

FULL, LINEAR, SLIDING, CHUNKED = "full_attention", "linear_attention", "sliding_attention", "chunked_attention"


def attention_layers(fields: Fields, *, layers: int, hidden: int) -> tuple[AttentionSpec, ...]:
    """Return the token mixing of every layer, in order.

    Raises:
        UnsupportedModel: A layer kind that the shape cannot describe, or a field it needs is missing.
    """
    whole = _mla(fields) if fields.optional("kv_lora_rank") else _gqa(fields, hidden)
    kinds = _kinds(fields, layers)
    by_kind = {kind: _of_kind(fields, kind, whole=whole, hidden=hidden) for kind in dict.fromkeys(kinds)}
    specs = tuple(by_kind[kind] for kind in kinds)
    per_layer = fields.numbers("num_key_value_heads_per_layer")
    if len(per_layer) != layers:
        return specs
    return tuple(replace(spec, kv_heads=heads) for spec, heads in zip(specs, per_layer, strict=True))


def _of_kind(fields: Fields, kind: str, *, whole: AttentionSpec, hidden: int) -> AttentionSpec:
    if kind == FULL:
        return whole
    if kind == CHUNKED:
        return replace(whole, window=fields.optional("attention_chunk_size"))
    if kind == SLIDING:
        return replace(whole, window=fields.optional("sliding_window", "local_attention"))
    if kind == LINEAR:
        return _gated_delta_net(fields, hidden)
    raise UnsupportedModel(
        f"the config of {fields.model_id} has layer_types {kind!r}",
        param="pretrained_model_uri",
        remedy=f"layers of {FULL}, {SLIDING}, {CHUNKED} and {LINEAR} can be read",
    )


def _kinds(fields: Fields, layers: int) -> tuple[str, ...]:
    listed = fields.names("layer_types")
    if listed:
        return (listed + (listed[-1],) * layers)[:layers]
    every = families.LINEAR_EVERY.get(fields.model_type)
    if every:
        return _last_of(fields.optional("full_attention_interval") or every, layers, other=LINEAR)
    return _windows(fields, layers)


def _windows(fields: Fields, layers: int) -> tuple[str, ...]:
    """Return which layers slide, by the type's pattern; a window without a pattern holds for every layer."""
    if fields.optional("attention_chunk_size"):
        return _last_of(families.FULL_EVERY.get(fields.model_type, 4), layers, other=CHUNKED)
    if fields.flag("use_sliding_window") is False or not fields.optional("sliding_window", "local_attention"):
        return (FULL,) * layers
    return _sliding(fields, layers)


def _sliding(fields: Fields, layers: int) -> tuple[str, ...]:
    if fields.model_type in families.FULL_FIRST:
        first = families.FULL_FIRST[fields.model_type]
        return tuple(SLIDING if index % first else FULL for index in range(layers))
    if fields.model_type in families.FULL_EVERY:
        return _last_of(fields.optional("sliding_window_pattern") or families.FULL_EVERY[fields.model_type], layers, other=SLIDING)
    start = min(layers, fields.optional("max_window_layers") or 0) if fields.flag("use_sliding_window") else 0
    return (FULL,) * start + (SLIDING,) * (layers - start)


def _last_of(every: int, layers: int, *, other: str) -> tuple[str, ...]:
    """Return layers of which the last of each group sees everything."""
    return tuple(other if (index + 1) % every else FULL for index in range(layers))


def _gqa(fields: Fields, hidden: int) -> AttentionSpec:
    heads = fields.size("num_attention_heads", "n_head", "n_heads")
    head_dim = fields.optional("head_dim", "kv_channels", "attention_head_dim") or hidden // heads
    if head_dim < 1:
        raise UnsupportedModel(
            f"the config of {fields.model_id} has {heads} num_attention_heads for a hidden_size of {hidden}", param="pretrained_model_uri"
        )
    stated = fields.flag("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias", "use_bias", "bias")
    bias = fields.model_type in families.BIASED_QKV if stated is None else stated
    return AttentionSpec(
        kind=AttentionKind.GQA,
        query_heads=heads,
        kv_heads=_kv_heads(fields, heads),
        head_dim=head_dim,
        value_head_dim=head_dim,
        bias=bias,
        extra_parameters=_beside(fields, hidden=hidden, heads=heads, head_dim=head_dim, bias=bias),
    )


def _kv_heads(fields: Fields, heads: int) -> int:
    if fields.model_type == "gpt_bigcode":
        return 1 if fields.flag("multi_query") is not False else heads
    if fields.flag("multi_query") and not fields.flag("new_decoder_architecture"):
        return 1
    named = fields.optional("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads", "multi_query_group_num")
    return min(named or heads, heads)


def _beside(fields: Fields, *, hidden: int, heads: int, head_dim: int, bias: bool) -> int:
    """Return what a layer holds beside its four projections: further norms, norm biases, the output's bias, gates and sinks."""
    kind = fields.model_type
    held = (
        (kind in families.QUERY_KEY_NORMS or bool(fields.flag("use_qk_norm")), 2 * head_dim),
        (kind in families.FOUR_NORMS, 2 * hidden),
        (kind in families.LAYER_NORM, 2 * hidden),
        (bias and kind in families.BIASED_OUTPUT, hidden),
        (kind in families.GATED_ATTENTION, hidden * heads * head_dim),
        (kind == "gpt_oss", heads),
    )
    return sum(parameters for is_there, parameters in held if is_there)


def _mla(fields: Fields) -> AttentionSpec:
    rank, latent = fields.optional("q_lora_rank") or 0, fields.number("kv_lora_rank")
    return AttentionSpec(
        kind=AttentionKind.MLA,
        query_heads=fields.size("num_attention_heads"),
        kv_heads=1,
        head_dim=fields.number("qk_nope_head_dim"),
        value_head_dim=fields.number("v_head_dim"),
        rope_head_dim=fields.number("qk_rope_head_dim"),
        kv_lora_rank=latent,
        q_lora_rank=rank,
        extra_parameters=rank + latent,  # a norm on each latent
    )


def _gated_delta_net(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a linear-attention layer: projections of query, key, value, gate and decay, a short convolution, one state per head.

    Source:
        Gated Delta Networks, Yang et al. 2024, as Qwen3-Next builds them.
    """
    key_heads, value_heads = fields.number("linear_num_key_heads"), fields.number("linear_num_value_heads")
    key_dim, value_dim = fields.number("linear_key_head_dim"), fields.number("linear_value_head_dim")
    taps = fields.number("linear_conv_kernel_dim")
    keys, values = key_heads * key_dim, value_heads * value_dim
    mixed = 2 * keys + values
    projections = hidden * (mixed + values + 2 * value_heads) + values * hidden
    return AttentionSpec(
        kind=AttentionKind.STATE,
        query_heads=value_heads,
        kv_heads=0,
        head_dim=key_dim,
        value_head_dim=value_dim,
        state_values=value_heads * key_dim * value_dim + mixed * (taps - 1),
        extra_parameters=projections + mixed * taps + 2 * value_heads + value_dim,
    )
