"""Parameters outside the layers and the embeddings: positions, encoder ends, and the tower of a multimodal model."""

from collections.abc import Mapping
from typing import Any

from budsim.core.model import config_families as families
from budsim.core.model.config_compressed import outside_streams
from budsim.core.model.config_encoder import encoder_parameters, has_encoder
from budsim.core.model.config_fields import Fields
from budsim.core.model.config_gemma import per_layer_tables
from budsim.core.model.config_shared import call_parameters
from budsim.core.model.config_towers import tower_parameters
from budsim.core.model.spec import LayerBlock

_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length", "max_target_positions", "model_max_length")


def context_length(fields: Fields) -> int:
    """Return the longest sequence the config allows; 0 where it says nothing. [tokens]"""
    return fields.optional(*_POSITIONS) or 0


def outside_parameters(fields: Fields, *, block: LayerBlock, hidden: int, config: Mapping[str, Any]) -> int:
    """Return what `extra_parameters` of a model holds."""
    kind = fields.model_type
    positions = (context_length(fields) + families.POSITION_OFFSET.get(kind, 0)) * hidden if kind in families.LEARNED_POSITIONS else 0
    norm_bias = hidden if kind in families.LAYER_NORM else 0
    ends = positions + norm_bias + _encoder_ends(fields, hidden) + _front(fields, block, hidden)
    ends += _narrow_embedding(fields, hidden) + outside_streams(fields, hidden)
    return ends + call_parameters(fields, hidden) + per_layer_tables(fields, hidden) + tower_parameters(config, fields.model_id, hidden)


def _front(fields: Fields, block: LayerBlock, hidden: int) -> int:
    if not has_encoder(fields):
        return 0
    return encoder_parameters(fields, attention=block.attention, feed_forward=block.feed_forward, hidden=hidden)


def _narrow_embedding(fields: Fields, hidden: int) -> int:
    """Return what an embedding narrower than the model, widened behind the table, has more or less than a wide one."""
    width = fields.optional("embedding_size")
    if fields.model_type not in families.NARROW_EMBEDDING or not width or width == hidden:
        return 0
    tables = fields.size("vocab_size") + context_length(fields) + (fields.optional("type_vocab_size") or 0)
    return tables * (width - hidden) + width * hidden + width


def _encoder_ends(fields: Fields, hidden: int) -> int:
    """Return token types and the pooler of BERT-like models, whose embedding norm is the final norm of a decoder."""
    if fields.model_type not in families.BERT_LIKE:
        return 0
    pooler = hidden * hidden + hidden if fields.model_type not in families.WITHOUT_POOLER else 0
    return (fields.optional("type_vocab_size") or 0) * hidden + pooler
