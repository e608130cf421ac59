"""What the operators of a model weigh and multiply, all layers together and before they are split over devices."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from budsim.core.model.kv_cache import keeps_cache
from budsim.core.model.parameters import (
    active_expert_share,
    attention_parameters,
    dense_feed_forward_parameters,
    expert_parameters,
    lm_head_parameters,
)
from budsim.core.model.recurrence import state_flop_per_token, state_write_bytes
from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, ModelSpec
from budsim.core.model.weights import dense_bytes_per_weight, embedding_bytes_per_weight, linear_bytes_per_weight
from budsim.core.remembered import remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """Layers with equal routed experts.

    Attributes:
        parameters: Weights of all experts of all these layers.
        moved_bytes: Their bytes. [bytes]
        experts: Experts of one layer.
        experts_per_token: Those a token is routed to.
        active_share: The share of the weights that are.
        layers: Number of layers.
    """

    parameters: float
    moved_bytes: float
    experts: int
    experts_per_token: int
    active_share: float
    layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Attention that reaches equally far back: values multiplied per query-key pair, all heads and layers; window None = everything."""

    width: float
    window: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Operators of one model.

    Attributes:
        dense_parameters: Weights of the linear layers every token meets; `dense_bytes` theirs. [bytes]
        head_parameters: Weights of the LM head; `head_bytes` theirs. [bytes]
        decode: Attention of a decoded token, in the absorbed form where there is one.
        prefill: Attention of a prompt.
        state_flop: Work of the recurrences for one token. [FLOP]
        state_write_bytes: What one decoded token writes to the states. [bytes]
        masked_share: Share of the query-key pairs of a prompt that are masked: half of a causal square, none of an encoder's.
        samples: Whether a prompt ends in a token.
        copied_layers: Layers with experts, each as often as it copies a token.
        layers: Layers; `routed_layers` those with experts, `folded_layers` those of latent or linear attention.
    """

    dense_parameters: float
    dense_bytes: float
    experts: tuple[Experts, ...]
    head_parameters: float
    head_bytes: float
    decode: tuple[Reach, ...]
    prefill: tuple[Reach, ...]
    state_flop: float
    state_write_bytes: float
    masked_share: float
    samples: bool
    copied_layers: int
    layers: int
    routed_layers: int
    folded_layers: int


@remembered
def shape_of(model: ModelSpec) -> Shape:
    """Return the operators of a model."""
    blocks = model.blocks
    dense = _dense_parameters(model)
    head = float(lm_head_parameters(model) or model.vocab_size * model.hidden_size)
    return Shape(
        dense_parameters=dense,
        dense_bytes=dense * dense_bytes_per_weight(model),
        experts=_experts(model),
        head_parameters=head,
        head_bytes=head * embedding_bytes_per_weight(model),
        decode=_reaches(model, _decode_width),
        prefill=_reaches(model, _prefill_width),
        state_flop=sum(block.count * state_flop_per_token(block.attention) for block in blocks),
        state_write_bytes=state_write_bytes(model),
        masked_share=0.0 if model.kind is ModelKind.ENCODER else 0.5,
        samples=keeps_cache(model),
        copied_layers=_copied_layers(model),
        layers=model.layers,
        routed_layers=_layers_where(blocks, lambda block: block.feed_forward.experts > 0),
        folded_layers=_layers_where(blocks, lambda block: block.attention.kind is not AttentionKind.GQA),
    )


def _dense_parameters(model: ModelSpec) -> float:
    """Return the weights of the linear layers every token meets."""
    each = ((block, attention_parameters(model, block.attention) + dense_feed_forward_parameters(model, block)) for block in model.blocks)
    return float(sum(block.count * parameters for block, parameters in each))


def _layers_where(blocks: Iterable[LayerBlock], is_meant: Callable[[LayerBlock], bool]) -> int:
    return sum(block.count for block in blocks if is_meant(block))


def _copied_layers(model: ModelSpec) -> int:
    return sum(block.count * block.feed_forward.experts_per_token for block in model.blocks if block.feed_forward.experts)


def _experts(model: ModelSpec) -> tuple[Experts, ...]:
    return tuple(
        Experts(
            parameters=float(expert_parameters(model, block) * block.count),
            moved_bytes=expert_parameters(model, block) * block.count * linear_bytes_per_weight(model),
            experts=block.feed_forward.experts,
            experts_per_token=block.feed_forward.experts_per_token,
            active_share=active_expert_share(block.feed_forward),
            layers=block.count,
        )
        for block in _routed_together(model)
    )


def _routed_together(model: ModelSpec) -> list[LayerBlock]:
    """Return the blocks with experts, those with equal ones as one."""
    found: dict[FeedForwardSpec, LayerBlock] = {}
    for block in model.blocks:
        if block.feed_forward.experts:
            before = found.get(block.feed_forward)
            found[block.feed_forward] = replace(block, count=block.count + (before.count if before else 0))
    return list(found.values())


def _reaches(model: ModelSpec, width: Callable[[AttentionSpec], float]) -> tuple[Reach, ...]:
    found: dict[int | None, float] = {}
    for block in model.blocks:
        window = block.attention.window or None
        found[window] = found.get(window, 0.0) + block.count * width(block.attention)
    return tuple(Reach(width=total, window=window) for window, total in found.items() if total)


def _decode_width(attention: AttentionSpec) -> float:
    """Return values multiplied per query-key pair, all heads: scores and values."""
    match attention.kind:
        case AttentionKind.GQA:
            return attention.query_heads * float(attention.head_dim + attention.value_head_dim)
        case AttentionKind.MLA:
            # absorbed form: queries meet the latent itself
            return attention.query_heads * float(2 * attention.kv_lora_rank + attention.rope_head_dim)
        case AttentionKind.STATE:
            return 0.0


def _prefill_width(attention: AttentionSpec) -> float:
    if attention.kind is AttentionKind.MLA:  # unfolded to whole heads, which is cheaper over a prompt
        return attention.query_heads * float(attention.head_dim + attention.rope_head_dim + attention.value_head_dim)
    return _decode_width(attention)
