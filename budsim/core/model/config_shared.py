"""Transformer blocks whose weights several layers share, as in Zamba."""

from dataclasses import replace

from budsim.core.model.config_attention import whole_attention
from budsim.core.model.config_feed_forward import shared_feed_forward
from budsim.core.model.config_fields import Fields
from budsim.core.model.config_layers import shared_blocks
from budsim.core.model.spec import LayerBlock

WIDENING = 2  # the block reads the layer's input beside the model's


def shared_layers(fields: Fields, hidden: int) -> tuple[LayerBlock, ...]:
    """Return the calls of shared blocks as layers of which few are stored; empty where a model shares none.

    Source:
        Zamba, Glorioso et al. 2024: attention twice as wide as the model; ZambaHybridLayer of transformers 5.17.0.
    """
    calls = shared_blocks(fields)
    if not calls:
        return ()
    stored = min(calls, fields.optional("num_mem_blocks") or 1)
    wide = WIDENING * hidden
    heads = fields.size("num_attention_heads")
    attention = replace(whole_attention(fields, hidden), head_dim=wide // heads, value_head_dim=wide // heads)
    width = attention.query_heads * attention.head_dim + 2 * attention.kv_heads * attention.head_dim
    beside = hidden * width + hidden  # the wider input of the projections, and its norm
    block = replace(attention, extra_parameters=attention.extra_parameters + beside)
    return (LayerBlock(count=calls, stored=stored, attention=block, feed_forward=shared_feed_forward(fields, hidden)),)


def call_parameters(fields: Fields, hidden: int) -> int:
    """Return what each layer holds of its own to call a shared block: a projection of its output, and adapters."""
    calls = shared_blocks(fields)
    rank = fields.optional("adapter_rank") or 0
    adapters = (
        rank * (hidden + 2 * shared_feed_forward(fields, hidden).intermediate_size) if calls and fields.states("num_mem_blocks") else 0
    )
    if fields.flag("use_shared_attention_adapter"):
        adapters += 3 * 2 * WIDENING * hidden * rank
    return calls * (hidden * hidden + adapters)
