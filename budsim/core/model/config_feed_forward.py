"""The channel mixing of each layer, from a config's fields."""

from budsim.core.errors import UnsupportedModel
from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields
from budsim.core.model.spec import FeedForwardSpec

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_PER_TOKEN = ("num_experts_per_tok", "experts_per_token", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k")
_WIDTH = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim")


def feed_forward_layers(fields: Fields, *, layers: int, hidden: int) -> tuple[FeedForwardSpec, ...]:
    """Return the channel mixing of every layer, in order.

    Raises:
        UnsupportedModel: A field it needs is missing.
    """
    experts = fields.optional(*_EXPERTS) or 0
    routed = _routed_layers(fields, layers) if experts > 1 else (False,) * layers
    sparse = _experts(fields, experts) if any(routed) else None
    dense = _dense(fields, hidden) if not all(routed) else None
    chosen = tuple(sparse if is_routed else dense for is_routed in routed)
    return tuple(spec for spec in chosen if spec is not None)


def _routed_layers(fields: Fields, layers: int) -> tuple[bool, ...]:
    """Return which layers route to experts: all, but those a config sets apart."""
    listed = fields.numbers("moe_layer_freq")
    if len(listed) == layers:
        return tuple(bool(value) for value in listed)
    routed = set(range(_sized(fields, "first_k_dense_replace", "moe_layer_start_index", "num_dense_layers", otherwise=0), layers))
    step = _sized(fields, "decoder_sparse_step", "interleave_moe_layer_step", otherwise=1)
    routed &= set(range(step - 1, layers, step))
    routed &= set(range(0, layers, _sized(fields, "moe_layer_freq", "moe_layer_interval", otherwise=1)))
    routed -= set(fields.numbers("mlp_only_layers"))
    return tuple(index in routed for index in range(layers))


def _sized(fields: Fields, *names: str, otherwise: int) -> int:
    found = fields.optional(*names)
    return otherwise if found is None else found


def _dense(fields: Fields, hidden: int) -> FeedForwardSpec:
    kind = fields.model_type
    width = fields.optional("intermediate_size_mlp", *_WIDTH)
    if width is None:
        width = 4 * hidden if kind in families.FOURFOLD else fields.number(*_WIDTH)
    stated = fields.flag("mlp_bias", "use_bias", "bias")
    return FeedForwardSpec(
        intermediate_size=width,
        gated=kind not in families.UNGATED,
        bias=kind in families.BIASED_MLP if stated is None else stated,
    )


def _experts(fields: Fields, experts: int) -> FeedForwardSpec:
    width = fields.optional("moe_intermediate_size") or fields.number(*_WIDTH)
    per_token = fields.number(*_PER_TOKEN)
    if per_token > experts:
        raise UnsupportedModel(
            f"the config of {fields.model_id} routes a token to num_experts_per_tok={per_token} of {experts} experts",
            param="pretrained_model_uri",
        )
    return FeedForwardSpec(
        intermediate_size=0,
        bias=fields.model_type in families.BIASED_MLP,
        experts=experts,
        experts_per_token=per_token,
        expert_intermediate_size=width,
        shared_intermediate_size=_shared_width(fields, width),
    )


def _shared_width(fields: Fields, width: int) -> int:
    if fields.model_type in ("llama4", "llama4_text"):
        return width  # one shared expert, which its config does not mention
    named = fields.optional("shared_expert_intermediate_size", "shared_intermediate_size")
    return named or (fields.optional("n_shared_experts", "num_shared_experts", "moe_num_shared_experts") or 0) * width
