"""Parameters outside the layers and the embeddings: positions, encoder ends, and the tower of a multimodal model."""

from collections.abc import Mapping
from typing import Any

from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields

_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")


def context_length(fields: Fields) -> int:
    """Return the longest sequence the config allows; 0 where it says nothing. [tokens]"""
    return fields.optional(*_POSITIONS) or 0


def outside_parameters(fields: Fields, *, hidden: int, config: Mapping[str, Any]) -> int:
    """Return what `extra_parameters` of a model holds."""
    kind = fields.model_type
    positions = context_length(fields) * hidden if kind in families.LEARNED_POSITIONS else 0
    norm_bias = hidden if kind in families.LAYER_NORM else 0
    return positions + norm_bias + _encoder_ends(fields, hidden) + _vision(config, fields.model_id, hidden)


def _encoder_ends(fields: Fields, hidden: int) -> int:
    """Return token types and the pooler of BERT-like models, whose embedding norm is the final norm of a decoder."""
    if fields.model_type not in families.BERT_LIKE:
        return 0
    return (fields.optional("type_vocab_size") or 0) * hidden + hidden * hidden + hidden


def _vision(config: Mapping[str, Any], model_id: str, hidden: int) -> int:
    """Return a transformer tower and the projection behind it; nothing where its sizes are not given.

    Source:
        Vision Transformer, Dosovitskiy et al. 2021: four projections and two feed-forward matrices a layer.
    """
    section = config.get("vision_config")
    if not isinstance(section, Mapping):
        return 0
    vision = Fields(section, model_id)
    width, depth = vision.optional("hidden_size", "embed_dim"), vision.optional("num_hidden_layers", "depth", "layers")
    if not width or not depth:
        return 0
    inner = vision.optional("intermediate_size") or 4 * width
    return depth * width * (4 * width + 2 * inner) + width * hidden
