"""Attention over a compressed cache (DeepSeek-V4): one latent for a run of tokens, and a short window beside it."""

from collections.abc import Mapping
from typing import Final

from budsim.core.model.config_fields import Fields
from budsim.core.model.spec import AttentionKind, AttentionSpec

RUNS: Final[Mapping[str, int]] = {"sliding_attention": 0, "compressed_sparse_attention": 4, "heavily_compressed_attention": 128}
SPARSE_RUN: Final = 4  # layers of this run have two overlapping compressors, and an index that picks what is looked at


def is_compressed(fields: Fields) -> bool:
    """Whether the layers keep a compressed cache."""
    return bool(fields.optional("o_lora_rank") and fields.optional("o_groups"))


def compressed_layers(fields: Fields, *, layers: int, hidden: int) -> tuple[AttentionSpec, ...]:
    """Return the attention of every layer.

    Source:
        DeepseekV4Attention and its compressors in transformers 5.17.0.
    """
    runs = fields.numbers("compress_ratios") or tuple(RUNS.get(name, SPARSE_RUN) for name in fields.names("layer_types"))
    filled = (runs + (runs[-1] if runs else SPARSE_RUN,) * layers)[:layers]
    by_run = {run: _layer(fields, run, hidden) for run in dict.fromkeys(filled)}
    return tuple(by_run[run] for run in filled)


def outside_streams(fields: Fields, hidden: int) -> int:
    """Return what joins the residual streams behind the last layer."""
    streams = fields.optional("hc_mult") or 0
    return streams * streams * hidden + streams + 1 if streams and is_compressed(fields) else 0


def _layer(fields: Fields, run: int, hidden: int) -> AttentionSpec:
    """Return one layer as latent attention whose latent is a run's, spread over its tokens; the projections are its own."""
    heads, width = fields.size("num_attention_heads"), fields.number("head_dim")
    window = fields.optional("sliding_window") or 0
    latent = max(1, width // run) if run else width
    return AttentionSpec(
        kind=AttentionKind.MLA,
        query_heads=heads,
        kv_heads=1,
        head_dim=width,
        value_head_dim=width,
        kv_lora_rank=latent,
        q_lora_rank=fields.number("q_lora_rank"),
        window=None if run else window or None,
        fixed_values=window * width if run else 0,
        extra_parameters=_projections(fields, hidden)
        - latent * heads * 2 * width
        - heads * width * hidden
        + (width - latent) * hidden
        + _compressor(fields, run, hidden)
        + _streams(fields, hidden),
    )


def _projections(fields: Fields, hidden: int) -> int:
    """Return the grouped output projection, norms and sinks, which stand in place of the unfolding and the output of latent attention."""
    heads, width = fields.size("num_attention_heads"), fields.number("head_dim")
    rank = fields.number("o_lora_rank")
    output = heads * width * rank + fields.number("o_groups") * rank * hidden
    return output + fields.number("q_lora_rank") + width + heads


def _compressor(fields: Fields, run: int, hidden: int) -> int:
    if not run:
        return 0
    width = fields.number("head_dim")
    if run != SPARSE_RUN:
        return 2 * hidden * width + run * width + width
    index, heads = fields.number("index_head_dim"), fields.number("index_n_heads")
    both = 4 * hidden * (width + index) + 2 * run * (width + index) + width + index
    return both + fields.number("q_lora_rank") * heads * index + hidden * heads


def _streams(fields: Fields, hidden: int) -> int:
    """Return the mixing of residual streams before the attention and before the feed-forward."""
    streams = fields.optional("hc_mult") or 0
    mix = (2 + streams) * streams
    return 2 * (mix * streams * hidden + mix + 3) if streams else 0
