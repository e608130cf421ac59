"""The encoder in front of a decoder (T5, Whisper): its weights, and what it adds to each decoder layer."""

from dataclasses import replace

from budsim.core.errors import UnsupportedModel
from budsim.core.model import config_families as families
from budsim.core.model.config_fields import Fields
from budsim.core.model.spec import AttentionSpec, FeedForwardSpec

TAPS = 3  # both convolutions at the front of Whisper's encoder


def has_encoder(fields: Fields) -> bool:
    """Whether the model encodes its input apart from its output."""
    return fields.model_type in families.SPEECH or fields.model_type in families.TEXT_TO_TEXT


def refuse_unknown_encoder(fields: Fields) -> None:
    """Complain of an encoder whose layers no reader knows.

    Raises:
        UnsupportedModel: The config says encoder and decoder, and its type is not one that is read.
    """
    if fields.flag("is_encoder_decoder") and not has_encoder(fields):
        raise UnsupportedModel(
            f"the config of {fields.model_id} (model_type {fields.model_type!r}) has is_encoder_decoder true",
            param="pretrained_model_uri",
            remedy=f"of models with an encoder those of {', '.join(sorted(families.TEXT_TO_TEXT | families.SPEECH))} are read",
        )


def with_crossing(fields: Fields, attention: AttentionSpec, hidden: int) -> AttentionSpec:
    """Return a decoder layer's attention with the one that looks at the encoder's output beside it.

    Keys and values of an encoded text stand in the cache in place of the prompt's own; those of encoded speech have a fixed number.
    """
    inner = attention.query_heads * attention.head_dim
    crossing = attention.extra_parameters + 4 * hidden * inner
    if fields.model_type not in families.SPEECH:
        return replace(attention, extra_parameters=crossing + hidden)
    heard = fields.optional("max_source_positions") or 0
    beside = 2 * _whisper_biases(hidden) + 2 * hidden  # of both attentions, and the norm of the second
    return replace(attention, fixed_values=2 * heard * inner, extra_parameters=crossing + beside)


def encoder_parameters(fields: Fields, *, attention: AttentionSpec, feed_forward: FeedForwardSpec, hidden: int) -> int:
    """Return all weights of the encoder, and the tables of relative positions of both ends."""
    if fields.model_type in families.SPEECH:
        return speech_layers(fields, hidden)
    inner = attention.query_heads * attention.head_dim
    matrices = 3 if feed_forward.gated else 2
    layer = 4 * hidden * inner + matrices * hidden * feed_forward.intermediate_size + 2 * hidden
    tables = 2 * (fields.optional("relative_attention_num_buckets") or 0) * attention.query_heads
    depth = fields.size("num_layers", "num_hidden_layers")
    if fields.model_type == "umt5":
        tables *= depth
    return depth * layer + hidden + tables


def speech_layers(fields: Fields, hidden: int) -> int:
    """Return the layers of a speech encoder of Whisper's build and the convolutions, positions and norm around them."""
    depth, width = fields.size("encoder_layers", "num_hidden_layers"), fields.number("encoder_ffn_dim", "intermediate_size")
    layer = 4 * hidden * hidden + _whisper_biases(hidden) + 2 * hidden * width + width + hidden + 4 * hidden
    bins, heard = fields.number("num_mel_bins"), fields.optional("max_source_positions") or 0
    around = TAPS * hidden * (bins + hidden) + 2 * hidden + heard * hidden + 2 * hidden
    return depth * layer + around


def _whisper_biases(hidden: int) -> int:
    return 3 * hidden  # of queries, values and the output; keys have none
