"""Mixers that keep a state: state-space models, linear attention, gated recurrences and short convolutions."""

from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields
from budsim.core.model.spec import AttentionKind, AttentionSpec

_STATE = ("mamba_d_state", "ssm_state_size", "state_size")
_TAPS = ("mamba_d_conv", "conv_kernel", "d_conv")
_HEADS = ("mamba_n_heads", "mamba_num_heads", "n_mamba_heads", "num_heads")
_HEAD_DIM = ("mamba_d_head", "mamba_head_dim")
_GROUPS = ("mamba_n_groups", "mamba_ngroups", "n_groups")
RANK_SHARE = 16  # Mamba: a step's rank is the width over 16, rounded up


def state_layer(fields: Fields, hidden: int) -> AttentionSpec:
    """Return the mixer of a layer that keeps a state, by the fields that describe one.

    Raises:
        UnsupportedModel: A field it needs is missing.
    """
    kind = fields.model_type
    if fields.optional("linear_num_key_heads"):
        return _gated_delta_net(fields, hidden)
    if fields.section("linear_attn_config") or fields.optional("linear_num_heads"):
        return _kimi_delta(fields, hidden)
    if fields.optional("conv_L_cache"):
        return _short_convolution(fields, hidden)
    if kind in families.GATED_RECURRENCE:
        return _gated_recurrence(fields, hidden)
    if not fields.optional(*_STATE):
        return _lightning(fields, hidden)
    return _selective_scan(fields, hidden) if kind in families.FIRST_MAMBA else _state_space_dual(fields, hidden)


def _state(*, heads: int, state: int, fixed: int, parameters: int) -> AttentionSpec:
    return AttentionSpec(
        kind=AttentionKind.STATE,
        query_heads=heads,
        kv_heads=0,
        head_dim=0,
        value_head_dim=0,
        state_values=state,
        fixed_values=fixed,
        extra_parameters=parameters,
    )


def _selective_scan(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a Mamba layer.

    Source:
        Mamba, Gu and Dao 2023, as MambaMixer and JambaMambaMixer of transformers 5.17.0 build it.
    """
    stated = fields.optional("intermediate_size") if fields.model_type in families.WIDTH_STATED else None
    inner = stated or (fields.optional("mamba_expand", "expand") or 2) * hidden
    values, taps = fields.number(*_STATE), fields.number(*_TAPS)
    rank = fields.optional("mamba_dt_rank", "time_step_rank") or -(-hidden // RANK_SHARE)
    projections = hidden * 2 * inner + inner * (rank + 2 * values) + rank * inner + inner + inner * hidden
    norms = rank + 2 * values if fields.model_type == "jamba" else 0
    beside = inner * values + inner + norms + _convolution(fields, inner, taps) + _projection_bias(fields, 2 * inner + hidden)
    return _state(heads=inner, state=inner * values, fixed=inner * (taps - 1), parameters=projections + beside)


def _state_space_dual(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a Mamba-2 layer.

    Source:
        Mamba-2, Dao and Gu 2024, as Mamba2Mixer, BambaMixer and NemotronHMamba2Mixer of transformers 5.17.0 build it.
    """
    names = _HEAD_DIM + (("head_dim",) if fields.model_type == "mamba2" else ())
    heads, width = fields.number(*_HEADS), fields.optional(*names)
    inner = fields.optional("mamba_d_ssm") or (heads * width if width else (fields.optional("mamba_expand", "expand") or 2) * hidden)
    values, taps = fields.number(*_STATE), fields.number(*_TAPS)
    mixed = inner + 2 * (fields.optional(*_GROUPS) or 1) * values
    norm = 0 if fields.flag("mamba_rms_norm") is False else inner
    projections = hidden * (inner + mixed + heads) + inner * hidden + _projection_bias(fields, inner + mixed + heads + hidden)
    parameters = projections + 3 * heads + norm + _convolution(fields, mixed, taps)
    return _state(heads=heads, state=inner * values, fixed=mixed * (taps - 1), parameters=parameters)


def _convolution(fields: Fields, channels: int, taps: int) -> int:
    biased = fields.flag("mamba_conv_bias", "use_conv_bias") is not False
    return channels * taps + (channels if biased else 0)


def _projection_bias(fields: Fields, width: int) -> int:
    return width if fields.flag("mamba_proj_bias", "projectors_bias", "add_bias_linear", "use_bias") else 0


def _gated_delta_net(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a layer of query, key, value, gate and decay projections, a short convolution and one state per head.

    Source:
        Gated Delta Networks, Yang et al. 2024, as Qwen3-Next and OLMo-Hybrid build them.
    """
    key_heads, value_heads = fields.number("linear_num_key_heads"), fields.number("linear_num_value_heads")
    key_dim, value_dim = fields.number("linear_key_head_dim"), fields.number("linear_value_head_dim")
    taps = fields.number("linear_conv_kernel_dim")
    keys, values = key_heads * key_dim, value_heads * value_dim
    mixed = 2 * keys + values
    projections = hidden * (mixed + values + 2 * value_heads) + values * hidden
    return _state(
        heads=value_heads,
        state=value_heads * key_dim * value_dim,
        fixed=mixed * (taps - 1),
        parameters=projections + mixed * taps + 2 * value_heads + value_dim,
    )


def _kimi_delta(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a layer of Kimi Delta Attention: as a gated delta net, with a decay per channel and narrow decay and gate projections.

    Source:
        Kimi Linear, Moonshot AI 2025, as KimiLinear of transformers 5.17.0 builds it.
    """
    section = Fields({**fields.section("linear_attn_config"), "model_type": "linear_attn_config"}, fields.model_id)
    heads = section.optional("num_heads") or fields.number("linear_num_heads")
    width = section.optional("head_dim") or fields.number("linear_head_dim")
    taps = section.optional("short_conv_kernel_size") or fields.number("linear_conv_kernel_dim")
    inner = heads * width
    narrow = hidden * width + width * inner
    gate = hidden * inner if section.flag("use_full_rank_gate") else narrow
    projections = 3 * hidden * inner + inner * hidden + narrow + gate + hidden * heads
    beside = 3 * inner * taps + inner + heads + width
    return _state(heads=heads, state=inner * width, fixed=3 * inner * (taps - 1), parameters=projections + beside)


def _lightning(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a layer of lightning attention: three projections, a gate, a norm, one square state per head.

    Source:
        MiniMax-01, MiniMax 2025, as MiniMaxLightningAttention of transformers 5.17.0 builds it.
    """
    heads = fields.size("num_attention_heads")
    width = fields.optional("head_dim") or hidden // heads
    inner = heads * width
    return _state(heads=heads, state=inner * width, fixed=0, parameters=5 * hidden * inner + inner)


def _short_convolution(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a gated short convolution.

    Source:
        LFM2, Liquid AI 2025, as Lfm2ShortConv of transformers 5.17.0 builds it.
    """
    taps = fields.number("conv_L_cache")
    bias = 5 * hidden if fields.flag("conv_bias") else 0
    return _state(heads=hidden, state=0, fixed=hidden * (taps - 1), parameters=4 * hidden * hidden + hidden * taps + bias)


def _gated_recurrence(fields: Fields, hidden: int) -> AttentionSpec:
    """Return a real-gated linear recurrence behind a short convolution.

    Source:
        Griffin, De et al. 2024, as RecurrentGemmaRecurrentBlock of transformers 5.17.0 builds it.
    """
    width, heads, taps = fields.optional("lru_width") or hidden, fields.size("num_attention_heads"), fields.optional("conv1d_width") or 4
    projections = 3 * hidden * width + 2 * width + hidden
    gates = 2 * (width * (width // heads) + width) + width
    return _state(heads=heads, state=width, fixed=width * (taps - 1), parameters=projections + gates + width * taps + width)
