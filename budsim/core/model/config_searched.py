"""Layers found by a search over architectures (Nemotron-NAS, DeciLM): each has its own heads and width, or lacks a part."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from budsim.core.errors import UnsupportedModel
from budsim.core.model.config_attention import NOTHING, whole_attention
from budsim.core.model.config_feed_forward import NOTHING as NO_FEED_FORWARD
from budsim.core.model.config_fields import LARGEST, Fields
from budsim.core.model.spec import AttentionSpec, FeedForwardSpec

STEP: Final = 256  # widths are rounded up to it
Pair = tuple[AttentionSpec, FeedForwardSpec]


def searched_layers(fields: Fields, *, layers: int, hidden: int) -> tuple[Pair, ...]:
    """Return attention and feed-forward of every layer in `block_configs`; empty where a config has none.

    Raises:
        UnsupportedModel: A block without a number that its shape needs.

    Source:
        Puzzle, Bercovich et al. 2024; the width is 2/3 · ffn_mult · hidden_size in steps of 256, as the published model code reads it.
    """
    blocks = fields.sections("block_configs")[:layers]
    return tuple((_attention(fields, block.get("attention"), hidden), _feed_forward(fields, block.get("ffn"), hidden)) for block in blocks)


def _attention(fields: Fields, part: object, hidden: int) -> AttentionSpec:
    block = _section(part)
    if block.get("no_op"):
        return NOTHING
    if block.get("replace_with_linear"):
        return replace(NOTHING, extra_parameters=hidden * hidden)
    whole = whole_attention(fields, hidden)
    group = _number(fields, block, "n_heads_in_group")
    window = block.get("window_length")
    return replace(
        whole, kv_heads=max(1, whole.query_heads // int(group)), window=window if isinstance(window, int) and window > 0 else None
    )


def _feed_forward(fields: Fields, part: object, hidden: int) -> FeedForwardSpec:
    block = _section(part)
    if block.get("no_op"):
        return NO_FEED_FORWARD
    if block.get("replace_with_linear"):
        return FeedForwardSpec(intermediate_size=-(-hidden // 2), gated=False)
    width = int(2 * _number(fields, block, "ffn_mult") * hidden / 3)
    return FeedForwardSpec(intermediate_size=-(-width // STEP) * STEP)


def _number(fields: Fields, block: Mapping[str, Any], name: str) -> float:
    value = block.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-3 <= value <= LARGEST:
        raise UnsupportedModel(
            f"the config of {fields.model_id} has a block_configs {name} of {value!r}",
            param="pretrained_model_uri",
            remedy="name a model whose blocks carry it",
        )
    return float(value)


def _section(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
