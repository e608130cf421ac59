"""What the small Gemma models hold beside a transformer's usual parts: an embedding per layer, and Gemma 3n's side streams."""

from typing import Final

from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields

SIDE_STREAMS: Final = frozenset({"gemma3n_text"})


def layer_additions(fields: Fields, hidden: int) -> int:
    """Return what one layer holds beside its mixer, its feed-forward and two norms.

    Source:
        Gemma3nTextDecoderLayer and Gemma4TextDecoderLayer of transformers 5.17.0.
    """
    width = fields.optional("hidden_size_per_layer_input") or 0
    gate = 2 * hidden * width + hidden if width else 0
    routed = (
        4 * hidden + (fields.optional("num_experts") or 0) if fields.flag("enable_moe_block") else 0
    )  # three norms and the router's scales
    return gate + routed + _side_layer(fields, hidden)


def per_layer_tables(fields: Fields, hidden: int) -> int:
    """Return the embeddings of all layers and what projects the token's own onto them; these are looked up, not multiplied."""
    width = fields.optional("hidden_size_per_layer_input")
    if not width or fields.model_type not in SIDE_STREAMS | families.GEMMA_4:
        return 0
    wide = fields.size("num_hidden_layers") * width
    streams = fields.optional("altup_num_inputs") or 1
    return (fields.optional("vocab_size_per_layer_input") or 0) * wide + hidden * wide + width + 2 * (streams - 1) * hidden * hidden


def _side_layer(fields: Fields, hidden: int) -> int:
    """Return the low-rank branch and the mixing of the side streams of one layer."""
    if fields.model_type not in SIDE_STREAMS:
        return 0
    streams, rank = fields.number("altup_num_inputs"), fields.number("laurel_rank")
    branch = 2 * hidden * rank + hidden
    mixing = streams**2 + streams**3 + hidden * streams + 2 * hidden
    return branch + mixing
