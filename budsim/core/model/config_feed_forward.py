"""The channel mixing of each layer, from a config's fields."""

from dataclasses import replace

from budsim.core.errors import UnsupportedModel
from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields
from budsim.core.model.config_layers import Channel, channel_layers
from budsim.core.model.spec import FeedForwardSpec

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_PER_TOKEN = ("num_experts_per_tok", "experts_per_token", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k", "top_k_experts")
_WIDTH = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim", "d_ff", "decoder_ffn_dim")
_DENSE_WIDTH = ("intermediate_size_mlp", "dense_intermediate_size", *_WIDTH)
_SHARED_WIDTH = ("shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size", "share_expert_dim")
NOTHING = FeedForwardSpec(intermediate_size=0)


def feed_forward_layers(fields: Fields, *, layers: int, hidden: int) -> tuple[FeedForwardSpec, ...]:
    """Return the channel mixing of every layer, in order.

    Raises:
        UnsupportedModel: A field it needs is missing.
    """
    chosen = _chosen(fields, layers)
    experts = fields.optional(*_EXPERTS) or 0
    by_kind = {kind: _of_kind(fields, kind, hidden=hidden, experts=experts) for kind in dict.fromkeys(chosen)}
    return _widened(fields, tuple(by_kind[kind] for kind in chosen))


def shared_feed_forward(fields: Fields, hidden: int) -> FeedForwardSpec:
    """Return the feed-forward of a block several layers share; four times the model's width where none is named."""
    return FeedForwardSpec(intermediate_size=fields.optional(*_WIDTH) or 4 * hidden)


def _chosen(fields: Fields, layers: int) -> tuple[Channel, ...]:
    routed = _every_other(fields, layers) or _routed_layers(fields, layers) if (fields.optional(*_EXPERTS) or 0) > 1 else (False,) * layers
    usual = {True: Channel.ROUTED, False: Channel.DENSE}
    kinds = channel_layers(fields, layers)
    return tuple(usual[routes] if kind is Channel.USUAL else kind for kind, routes in zip(kinds, routed, strict=True))


def _of_kind(fields: Fields, kind: Channel, *, hidden: int, experts: int) -> FeedForwardSpec:
    match kind:
        case Channel.ROUTED:
            has_dense = fields.flag("enable_moe_block") or fields.model_type in families.DOUBLED
            beside = _dense(fields, hidden).intermediate_size if has_dense else 0
            return replace(_experts(fields, experts), intermediate_size=beside)
        case Channel.DENSE | Channel.USUAL:
            return _dense(fields, hidden)
        case Channel.NONE:
            return NOTHING


def _widened(fields: Fields, specs: tuple[FeedForwardSpec, ...]) -> tuple[FeedForwardSpec, ...]:
    """Double the width of the layers that read another's cache, where the config says so (Gemma 4), or take it from a list (Gemma 3n)."""
    listed = fields.numbers("intermediate_size")
    if len(listed) == len(specs):
        return tuple(replace(spec, intermediate_size=width) for spec, width in zip(specs, listed, strict=True))
    sharing = fields.optional("num_kv_shared_layers") or 0
    if not fields.flag("use_double_wide_mlp") or not sharing:
        return specs
    own = max(0, len(specs) - sharing)
    return specs[:own] + tuple(replace(spec, intermediate_size=2 * spec.intermediate_size) for spec in specs[own:])


def _every_other(fields: Fields, layers: int) -> tuple[bool, ...]:
    """Return the layers of a doubled type, the first of each pair with experts; empty for other types."""
    return tuple(index % 2 == 0 for index in range(layers)) if fields.model_type in families.DOUBLED else ()


def _routed_layers(fields: Fields, layers: int) -> tuple[bool, ...]:
    """Return which layers route to experts: all, but those a config sets apart."""
    listed = fields.numbers("moe_layer_freq")
    if len(listed) == layers:
        return tuple(bool(value) for value in listed)
    named = fields.names("mlp_layer_types")
    if len(named) == layers:
        return tuple(name != "dense" for name in named)
    routed = set(range(_sized(fields, "first_k_dense_replace", "moe_layer_start_index", "num_dense_layers", otherwise=0), layers))
    step = _sized(fields, "decoder_sparse_step", "interleave_moe_layer_step", otherwise=1)
    routed &= set(range(step - 1, layers, step))
    routed &= set(range(0, layers, _sized(fields, "moe_layer_freq", "moe_layer_interval", otherwise=1)))
    routed -= set(fields.numbers("mlp_only_layers"))
    period = fields.optional("expert_layer_period")
    if period:
        routed &= set(range(fields.optional("expert_layer_offset") or 0, layers, period))
    return tuple(index in routed for index in range(layers))


def _sized(fields: Fields, *names: str, otherwise: int) -> int:
    found = fields.optional(*names)
    return otherwise if found is None else found


def _dense(fields: Fields, hidden: int) -> FeedForwardSpec:
    kind = fields.model_type
    width = fields.optional(*_DENSE_WIDTH)
    if width is None:
        width = max(fields.numbers("intermediate_size"), default=0) or (4 * hidden if kind in families.FOURFOLD else fields.number(*_WIDTH))
    width = _adjusted(fields, width)
    stated = fields.flag("mlp_bias", "use_bias", "bias")
    return FeedForwardSpec(
        intermediate_size=width,
        gated=_gated(fields),
        bias=kind in families.BIASED_MLP if stated is None else stated,
    )


def _gated(fields: Fields) -> bool:
    if fields.model_type in families.TEXT_TO_TEXT:
        return fields.text("feed_forward_proj").startswith("gated")
    return fields.model_type not in families.UNGATED


def _adjusted(fields: Fields, width: int) -> int:
    """Return the width a type makes of the one it names: two thirds, in steps (LFM2), or half (RecurrentGemma)."""
    if fields.model_type in families.GATED_RECURRENCE:
        return width // 2
    if not fields.optional("conv_L_cache") or fields.flag("block_auto_adjust_ff_dim") is not True:
        return width
    step = fields.optional("block_multiple_of") or 1
    narrowed = int((fields.real("block_ffn_dim_multiplier") or 1.0) * (2 * width // 3))
    return -(-narrowed // step) * step


def _experts(fields: Fields, experts: int) -> FeedForwardSpec:
    width = fields.optional("moe_intermediate_size", "expert_ffn_hidden_size") or fields.number(*_WIDTH)
    per_token = _met(fields, experts)
    if per_token > experts:
        raise UnsupportedModel(
            f"the config of {fields.model_id} routes a token to num_experts_per_tok={per_token} of {experts} experts",
            param="pretrained_model_uri",
        )
    return FeedForwardSpec(
        intermediate_size=0,
        gated=_gated(fields),
        bias=fields.model_type in families.BIASED_MLP,
        experts=experts,
        experts_per_token=per_token,
        expert_intermediate_size=width,
        shared_intermediate_size=_shared_width(fields, width),
        expert_hidden_size=fields.optional("moe_latent_size", "routed_expert_hidden_size") or 0,
    )


def _met(fields: Fields, experts: int) -> int:
    """Return the experts a token meets: of those it is routed to its share of real ones, where some pass it on unchanged.

    Source:
        LongCat-Flash Technical Report, section 2.1.1: the router is balanced so that 8 of the 12 chosen are real, as are 512 of 768.
    """
    chosen, idle = fields.number(*_PER_TOKEN), fields.optional(families.ZERO_EXPERTS) or 0
    return max(1, round(chosen * experts / max(1, experts + idle)))


def _shared_width(fields: Fields, width: int) -> int:
    if fields.model_type in ("llama4", "llama4_text"):
        return width  # one shared expert, which its config does not mention
    if fields.model_type == "arctic" and fields.flag("use_residual"):
        return fields.size("hidden_size")  # ArcticMLP of its published code: a dense one as wide as the model beside the experts
    named = fields.optional(*_SHARED_WIDTH)
    number = fields.optional("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert") or 0
    return named or number * width
