"""Models from a table of shapes, in the columns of `model_shapes.csv`; what a table leaves open is filled by its parameter totals."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from budsim.core.errors import UnsupportedModel
from budsim.core.model.parameters import active_parameter_count, attention_parameters, parameter_count
from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, ModelSpec
from budsim.services.accuracy.cells import positive, text, whole

BILLION: Final = 1e9
HYBRID_PERIOD: Final = 4  # Qwen3-Next and Qwen3.5: one layer in four attends in full
WINDOW_PERIODS: Final[Mapping[str, int]] = {"gemma3": 6, "gemma2": 2, "swa": 2}  # one layer in so many sees everything
STATE_WIDTHS: Final = 7.0  # projections of a gated delta net over hidden², Qwen3-Next: 8, Qwen3.5-397B: 7
UNSTATED_CONTEXT: Final = 131_072  # shapes do not state the longest context; runs do
UNSTATED_VOCABULARY: Final = 32_000
CLOSE: Final = 0.03  # a count within this share of the stated total is the total
Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class _Layers:
    routed: int
    dense: int


def models_of(rows: Iterable[Row]) -> dict[str, ModelSpec | UnsupportedModel]:
    """Return the models of a table by lower-case name; one whose shape is not stated is kept as the reason."""
    found: dict[str, ModelSpec | UnsupportedModel] = {}
    for row in rows:
        name = text(row, "model")
        if name:
            try:
                found[name.lower()] = model_from_shape(row)
            except UnsupportedModel as error:
                found[name.lower()] = error
    return found


def model_from_shape(row: Row) -> ModelSpec:
    """Return the model that one row describes.

    Raises:
        UnsupportedModel: Layers or width are not stated; the message names what is missing.
    """
    name = text(row, "model") or "unnamed"
    missing = [column for column in ("num_layers", "hidden_size") if not positive(row, column)]
    if missing:
        raise UnsupportedModel(f"the shape of {name} does not state {', '.join(missing)}", param="shapes")
    total = (positive(row, "num_params_b") or 0.0) * BILLION
    variants = [_model(row, name, gated=gated, tied=tied) for gated in (True, False) for tied in _tied(row)]
    closest = min(variants, key=lambda model: _distance(model, total)) if total else variants[0]
    if "encoder-decoder" in closest.model_type:
        return _with_encoder(closest, total)
    return _filled(closest, total=total, active=(positive(row, "active_params_b") or 0.0) * BILLION)


def _tied(row: Row) -> tuple[bool, ...]:
    """Return whether the LM head is the embedding, both where the row does not say."""
    stated = text(row, "tied_embeddings")
    return (False, True) if stated is None else (stated.lower() == "true",)


def _distance(model: ModelSpec, total: float) -> float:
    return abs(parameter_count(model) - total)


def _filled(model: ModelSpec, *, total: float, active: float) -> ModelSpec:
    """Return the model with the parameters its shape leaves open settled by the stated totals.

    Layers of constant state take all the difference, for their projections are not stated; else what is missing is spread over all
    layers, where every token meets it.
    """
    stated, counted = (active, active_parameter_count(model)) if model.is_moe and active else (total, parameter_count(model))
    unexplained = stated - counted
    if not stated or abs(unexplained) <= CLOSE * stated:
        return model
    open_layers = sum(block.count for block in model.blocks if _is_state(block))
    if not open_layers and unexplained < 0:
        return model
    share = round(unexplained / (open_layers or model.layers))
    return replace(model, blocks=tuple(_grown(block, share) if _is_state(block) or not open_layers else block for block in model.blocks))


def _with_encoder(model: ModelSpec, total: float) -> ModelSpec:
    """Return a decoder that also attends to its encoder: three sub-layers where others have two, so half as many layers again.

    The encoder's weights are held, but no decoded token meets them.
    """
    crossing = tuple(
        LayerBlock(
            count=max(1, block.count // 2),
            attention=_grown(block, attention_parameters(model, block.attention)).attention,
            feed_forward=FeedForwardSpec(intermediate_size=0),
        )
        for block in model.blocks
        if block.count
    )
    decoder = replace(model, blocks=model.blocks + crossing)
    return replace(decoder, extra_parameters=max(0, round(total - parameter_count(decoder))))


def _is_state(block: LayerBlock) -> bool:
    return block.attention.kind is AttentionKind.STATE


def _grown(block: LayerBlock, parameters: int) -> LayerBlock:
    attention = block.attention
    return replace(block, attention=replace(attention, extra_parameters=max(0, attention.extra_parameters + parameters)))


def _model(row: Row, name: str, *, gated: bool, tied: bool) -> ModelSpec:
    layers, hidden = whole(row, "num_layers"), whole(row, "hidden_size")
    family = (text(row, "family") or "llama-like").lower()
    return ModelSpec(
        model_id=name,
        model_type=family,
        architectures=(),
        kind=ModelKind.DECODER,
        hidden_size=hidden,
        vocab_size=whole(row, "vocab_size") or UNSTATED_VOCABULARY,
        blocks=_blocks(row, layers=layers, hidden=hidden, gated=gated),
        tied_embeddings=tied,
        max_context_length=UNSTATED_CONTEXT,
        source=f"shapes: {text(row, 'fact_source') or 'source not stated'}",
    )


def _blocks(row: Row, *, layers: int, hidden: int, gated: bool) -> tuple[LayerBlock, ...]:
    split = _layer_kinds(row, layers)
    feeds = [(split.dense, _dense(row, gated=gated)), (split.routed, _routed(row, gated=gated))]
    return tuple(
        LayerBlock(count=part, attention=attention, feed_forward=feed)
        for count, feed in feeds
        for attention, part in _shared(_attentions(row, layers=layers, hidden=hidden), count, layers)
        if part
    )


def _shared(attentions: list[tuple[AttentionSpec, int]], count: int, layers: int) -> list[tuple[AttentionSpec, int]]:
    """Return the kinds of attention over `count` of the layers, in proportion."""
    parts = [(attention, round(count * each / layers)) for attention, each in attentions]
    rest = count - sum(part for _, part in parts)
    return [(attention, part + (rest if index == 0 else 0)) for index, (attention, part) in enumerate(parts)]


def _layer_kinds(row: Row, layers: int) -> _Layers:
    if not whole(row, "num_experts"):
        return _Layers(routed=0, dense=layers)
    if re.search(r"every (2nd|second) layer", (text(row, "family") or "").lower()):
        return _Layers(routed=layers // 2, dense=layers - layers // 2)
    first = min(whole(row, "dense_layers_first"), layers - 1)
    return _Layers(routed=layers - first, dense=first)


def _dense(row: Row, *, gated: bool) -> FeedForwardSpec:
    return FeedForwardSpec(intermediate_size=whole(row, "intermediate_size") or 4 * whole(row, "hidden_size"), gated=gated)


def _routed(row: Row, *, gated: bool) -> FeedForwardSpec:
    inner = whole(row, "moe_intermediate_size") or whole(row, "intermediate_size")
    experts = whole(row, "num_experts")
    return FeedForwardSpec(
        intermediate_size=0,
        gated=gated,
        experts=experts,
        experts_per_token=min(experts, max(1, whole(row, "experts_per_token"))),
        expert_intermediate_size=inner,
        shared_intermediate_size=whole(row, "num_shared_experts") * inner,
    )


def _attentions(row: Row, *, layers: int, hidden: int) -> list[tuple[AttentionSpec, int]]:
    """Return the kinds of attention and on how many of all layers each stands."""
    if whole(row, "kv_lora_rank") and whole(row, "qk_nope_head_dim"):
        return [(_mla(row), layers)]
    if not whole(row, "num_heads"):
        return [(_state(row, hidden), layers)]
    full = _gqa(row, hidden)
    if "hybrid" in (text(row, "attention") or "").lower():
        whole_layers = max(1, layers // HYBRID_PERIOD)
        return [(_state(row, hidden), layers - whole_layers), (full, whole_layers)]
    window = _window(row)
    if window is None:
        return [(full, layers)]
    seeing = _seeing_everything(row, layers)
    return [(replace(full, window=window), layers - seeing), (full, seeing)]


def _gqa(row: Row, hidden: int) -> AttentionSpec:
    heads = whole(row, "num_heads")
    width = whole(row, "head_dim") or max(1, hidden // heads)
    return AttentionSpec(
        kind=AttentionKind.GQA,
        query_heads=heads,
        kv_heads=min(heads, whole(row, "num_kv_heads") or heads),
        head_dim=width,
        value_head_dim=width,
    )


def _mla(row: Row) -> AttentionSpec:
    return AttentionSpec(
        kind=AttentionKind.MLA,
        query_heads=max(1, whole(row, "num_heads")),
        kv_heads=1,
        head_dim=whole(row, "qk_nope_head_dim"),
        value_head_dim=whole(row, "v_head_dim") or whole(row, "qk_nope_head_dim"),
        rope_head_dim=whole(row, "qk_rope_head_dim"),
        kv_lora_rank=whole(row, "kv_lora_rank"),
        q_lora_rank=whole(row, "q_lora_rank"),
    )


def _state(row: Row, hidden: int) -> AttentionSpec:
    """Return a layer of constant state; shapes state neither its heads nor its projections."""
    heads = max(1, 2 * hidden // 128)
    return AttentionSpec(
        kind=AttentionKind.STATE,
        query_heads=whole(row, "num_heads") or heads,
        kv_heads=0,
        head_dim=128,
        value_head_dim=128,
        state_values=heads * 128 * 128,
        extra_parameters=round(STATE_WIDTHS * hidden * hidden),
    )


def _window(row: Row) -> int | None:
    stated = re.match(r"\d+", text(row, "sliding_window") or "")
    length = int(stated.group()) if stated else whole(row, "sliding_window")
    return length or None


def _seeing_everything(row: Row, layers: int) -> int:
    """Return how many layers have no window: as the cell says («every 2nd layer», «5 of 6 layers»), else as the family does."""
    stated = re.search(r"(\d+) of (\d+)", text(row, "sliding_window") or "")
    if stated and int(stated.group(2)):
        return round(layers * (1 - int(stated.group(1)) / int(stated.group(2))))
    family = (text(row, "family") or "").lower()
    period = next((period for name, period in WINDOW_PERIODS.items() if name in family), 0)
    if "2nd" in (text(row, "sliding_window") or ""):
        period = 2
    return layers // period if period else 0
