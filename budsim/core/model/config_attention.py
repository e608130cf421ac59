"""The token mixing of each layer, from a config's fields."""

from collections.abc import Mapping
from dataclasses import replace

from budsim.core.errors import UnsupportedModel
from budsim.core.model import config_families as families
from budsim.core.model.config_compressed import compressed_layers, is_compressed
from budsim.core.model.config_fields import Fields
from budsim.core.model.config_gemma import layer_additions
from budsim.core.model.config_layers import Mixing, mixing_layers
from budsim.core.model.config_states import state_layer
from budsim.core.model.spec import AttentionKind, AttentionSpec

NOTHING = AttentionSpec(kind=AttentionKind.STATE, query_heads=0, kv_heads=0, head_dim=0, value_head_dim=0)


def attention_layers(fields: Fields, *, layers: int, hidden: int) -> tuple[AttentionSpec, ...]:
    """Return the token mixing of every layer, in order.

    Raises:
        UnsupportedModel: A layer kind that the shape cannot describe, or a field it needs is missing.
    """
    if is_compressed(fields):
        return compressed_layers(fields, layers=layers, hidden=hidden)
    kinds = mixing_layers(fields, layers)
    by_kind = {kind: _of_kind(fields, kind, hidden=hidden) for kind in dict.fromkeys(kinds)}
    specs = tuple(by_kind[kind] for kind in kinds)
    per_layer = fields.numbers("num_key_value_heads_per_layer")
    if len(per_layer) == layers:
        return tuple(replace(spec, kv_heads=heads) for spec, heads in zip(specs, per_layer, strict=True))
    return _sharing(fields, specs, hidden)


def whole_attention(fields: Fields, hidden: int) -> AttentionSpec:
    """Return the attention of a layer that sees everything."""
    spec = _mla(fields, hidden) if fields.optional("kv_lora_rank") else _gqa(fields, hidden)
    return _global(fields, spec, hidden) if fields.model_type in families.GEMMA_4 else spec


def _of_kind(fields: Fields, kind: Mixing, *, hidden: int) -> AttentionSpec:
    match kind:
        case Mixing.FULL:
            return whole_attention(fields, hidden)
        case Mixing.CHUNKED:
            return replace(_gqa(fields, hidden), window=fields.optional("attention_chunk_size"))
        case Mixing.SLIDING:
            return _sliding(fields, hidden)
        case Mixing.LINEAR:
            return state_layer(fields, hidden)
        case Mixing.PARALLEL:
            return _beside_a_state(whole_attention(fields, hidden), state_layer(fields, hidden))
        case Mixing.NONE:
            return NOTHING


def _sliding(fields: Fields, hidden: int) -> AttentionSpec:
    """Return the attention of a layer with a window; a few types give it heads of its own."""
    window = fields.optional("sliding_window", "local_attention", "attention_window_size", "window_size")
    own = {name: fields.optional(f"swa_{name}") for name in ("num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim")}
    spec = _mla(fields, hidden) if fields.optional("kv_lora_rank") else _gqa(fields, hidden)
    return replace(
        spec,
        window=window,
        query_heads=own["num_attention_heads"] or spec.query_heads,
        kv_heads=own["num_key_value_heads"] or spec.kv_heads,
        head_dim=own["head_dim"] or spec.head_dim,
        value_head_dim=own["v_head_dim"] or spec.value_head_dim,
    )


def _beside_a_state(attention: AttentionSpec, state: AttentionSpec) -> AttentionSpec:
    return replace(
        attention,
        state_values=state.state_values,
        fixed_values=state.fixed_values,
        extra_parameters=attention.extra_parameters + state.extra_parameters,
    )


def _global(fields: Fields, spec: AttentionSpec, hidden: int) -> AttentionSpec:
    """Return the wider heads Gemma 4 has on layers that see everything; where values are the keys, their projection is missing."""
    width = _of_any_layer(fields, "head_dim") or fields.optional("global_head_dim") or spec.head_dim
    heads = _of_any_layer(fields, "num_key_value_heads") or fields.optional("num_global_key_value_heads") or spec.kv_heads
    norms = 2 * (width - spec.head_dim)
    values = hidden * heads * width if fields.flag("attention_k_eq_v") else 0
    return replace(spec, kv_heads=heads, head_dim=width, value_head_dim=width, extra_parameters=spec.extra_parameters + norms - values)


def _of_any_layer(fields: Fields, name: str) -> int | None:
    """Return a number that the completed config gives the layers which differ from the rest."""
    layers = fields.section("per_layer_config")
    found = (Fields(layer, fields.model_id).optional(name) for layer in layers.values() if isinstance(layer, Mapping))
    return next((number for number in found if number), None)


def _sharing(fields: Fields, specs: tuple[AttentionSpec, ...], hidden: int) -> tuple[AttentionSpec, ...]:
    """Let the last layers read the cache of earlier ones, as Gemma's small models do: they have no keys and values of their own."""
    sharing = min(fields.optional("num_kv_shared_layers") or 0, len(specs))
    if not sharing:
        return specs
    own = len(specs) - sharing
    return specs[:own] + tuple(_reading(spec, hidden) for spec in specs[own:])


def _reading(spec: AttentionSpec, hidden: int) -> AttentionSpec:
    saved = spec.kv_heads * hidden * (spec.head_dim + spec.value_head_dim) + spec.head_dim
    return replace(spec, keeps_cache=False, extra_parameters=spec.extra_parameters - saved)


def _gqa(fields: Fields, hidden: int) -> AttentionSpec:
    heads = fields.size("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads", "attention_heads")
    head_dim = fields.optional("head_dim", "kv_channels", "attention_head_dim", "d_kv") or hidden // heads
    if head_dim < 1:
        raise UnsupportedModel(
            f"the config of {fields.model_id} has {heads} num_attention_heads for a hidden_size of {hidden}", param="pretrained_model_uri"
        )
    stated = fields.flag("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias", "use_bias", "bias")
    bias = fields.model_type in families.BIASED_QKV if stated is None else stated
    kv_heads = _kv_heads(fields, heads)
    return AttentionSpec(
        kind=AttentionKind.GQA,
        query_heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_head_dim=fields.optional("v_head_dim") or head_dim,
        bias=bias,
        extra_parameters=_beside(fields, hidden=hidden, query=heads * head_dim, keys=kv_heads * head_dim, bias=bias),
    )


def _kv_heads(fields: Fields, heads: int) -> int:
    if fields.model_type == "gpt_bigcode":
        return 1 if fields.flag("multi_query") is not False else heads
    if fields.flag("multi_query") and not fields.flag("new_decoder_architecture"):
        return 1
    named = fields.optional(
        "num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads", "multi_query_group_num", "num_attention_groups"
    )
    return min(named or heads, heads)


def _beside(fields: Fields, *, hidden: int, query: int, keys: int, bias: bool) -> int:
    """Return what a layer holds beside its four projections: further norms, norm biases, the output's bias, gates and sinks."""
    kind = fields.model_type
    heads = fields.optional("num_attention_heads") or 1
    gated = kind in families.GATED_ATTENTION or bool(fields.flag("attn_output_gate"))
    normed = kind in families.QUERY_KEY_NORMS or bool(fields.flag("use_qk_norm"))
    held = (
        (normed, 2 * query // heads),
        (kind in families.WIDE_QUERY_KEY_NORMS, query + keys),
        (kind in families.FOUR_NORMS, 2 * hidden),
        (kind in families.LAYER_NORM, 2 * hidden),
        ((bias and kind in families.BIASED_OUTPUT) or kind in families.ALWAYS_BIASED_OUTPUT, hidden),
        (gated, hidden * query),
        (kind == "gpt_oss", heads),
    )
    return sum(parameters for is_there, parameters in held if is_there) + layer_additions(fields, hidden)


def _mla(fields: Fields, hidden: int) -> AttentionSpec:
    rank, latent = fields.optional("q_lora_rank") or 0, fields.number("kv_lora_rank")
    heads, value = fields.size("num_attention_heads"), fields.number("v_head_dim")
    gate = hidden * heads * value if fields.flag("mla_use_output_gate") else 0
    return AttentionSpec(
        kind=AttentionKind.MLA,
        query_heads=heads,
        kv_heads=1,
        head_dim=fields.number("qk_nope_head_dim"),
        value_head_dim=value,
        rope_head_dim=fields.number("qk_rope_head_dim"),
        kv_lora_rank=latent,
        q_lora_rank=rank,
        extra_parameters=rank + latent + gate + _index(fields, rank, hidden),  # a norm on each latent
        index_heads=fields.optional("index_n_heads") or 0,
        index_head_dim=fields.optional("index_head_dim") or 0,
    )


def _index(fields: Fields, rank: int, hidden: int) -> int:
    """Return the index of DeepSeek's sparse attention: queries from the latent, one key, a weight per head, a LayerNorm.

    Source:
        DeepSeek-V3.2, DeepSeek-AI 2025, as DeepseekV32Indexer of transformers 5.17.0 builds it.
    """
    heads, width = fields.optional("index_n_heads"), fields.optional("index_head_dim")
    if not heads or not width:
        return 0
    return rank * heads * width + hidden * (width + heads) + 2 * width
