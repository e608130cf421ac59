"""A Hugging Face config, by its field names, as a ModelSpec. What cannot be read is named."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from budsim.core.errors import UnsupportedModel
from budsim.core.model import config_families as families
from budsim.core.model.config_attention import NOTHING as NO_MIXING
from budsim.core.model.config_attention import attention_layers
from budsim.core.model.config_encoder import has_encoder, refuse_unknown_encoder, with_crossing
from budsim.core.model.config_feed_forward import NOTHING, feed_forward_layers
from budsim.core.model.config_fields import Fields
from budsim.core.model.config_layers import listed_layers
from budsim.core.model.config_notes import notes_of
from budsim.core.model.config_outside import context_length, outside_parameters
from budsim.core.model.config_quantization import read_quantization
from budsim.core.model.config_rotary import rotary_positions
from budsim.core.model.config_searched import searched_layers
from budsim.core.model.config_shared import shared_layers
from budsim.core.model.spec import AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, ModelSpec, Precision

MOST_LAYERS = 10_000  # far above any model; each layer is read on its own
_TEXT_SECTIONS = ("text_config", "llm_config", "language_config", "thinker_config")
_EMBEDDING_HEADS = ("ForSequenceClassification", "Model")
_DTYPES = {"bfloat16": Precision.BF16, "float16": Precision.FP16, "float32": Precision.FP32}


def model_from_config(config: Mapping[str, Any], *, model_id: str, revision: str = "unknown", source: str = "config") -> ModelSpec:
    """Return the shape a config describes.

    Args:
        config: The parsed config.json; the text section of a multimodal wrapper is followed.
        model_id: Name the model is known by.
        revision: Commit the config was read at.
        source: Where it was read from.

    Raises:
        UnsupportedModel: A field the shape needs is missing or not a number, or names what the shape cannot hold; the message names it.
    """
    text, wrapped = _text_section(config)
    fields = Fields(text, model_id, sparse=wrapped)
    architectures = tuple(str(name) for name in _listed(config.get("architectures")) or _listed(text.get("architectures")))
    refuse_unknown_encoder(fields)
    hidden = fields.size("hidden_size", "n_embd", "d_model", "dim")
    blocks = _blocks(fields, hidden)
    vocabulary = fields.size("padded_vocab_size", "vocab_size")
    outside = outside_parameters(fields, block=blocks[0], hidden=hidden, config=config)
    return ModelSpec(
        model_id=model_id,
        model_type=fields.model_type,
        architectures=architectures,
        kind=_kind(fields.model_type, architectures, model_id),
        hidden_size=hidden,
        vocab_size=vocabulary,
        blocks=blocks,
        tied_embeddings=fields.model_type in families.ENCODERS or bool(fields.flag("tie_word_embeddings")),
        max_context_length=context_length(fields),
        rotary_positions=rotary_positions(text, context_length=context_length(fields)),
        precision=_DTYPES.get(str(text.get("torch_dtype") or text.get("dtype")).removeprefix("torch."), Precision.BF16),
        quantization=read_quantization(text, model_id=model_id),
        extra_parameters=outside,
        revision=revision,
        source=source,
        notes=notes_of(fields, config),
    )


def _text_section(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return the text part of a config over what stands around it, and whether it was wrapped."""
    section = next((found for name in _TEXT_SECTIONS if isinstance(found := config.get(name), Mapping)), None)
    if section is None:
        return {**config, **_nested(config)}, False
    typed = {"model_type": f"{config.get('model_type')}_text"} if "model_type" not in section else {}
    return _text_section({**config, **section, **typed, **dict.fromkeys(_TEXT_SECTIONS), **_deeper(section)})[0], True


def _deeper(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: section[name] for name in _TEXT_SECTIONS if isinstance(section.get(name), Mapping)}


def _nested(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields DBRX and MPT keep one level down."""
    sections = (config.get("attn_config"), config.get("ffn_config"))
    return {key: value for section in sections if isinstance(section, Mapping) for key, value in section.items() if key != "model_type"}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _kind(model_type: str, architectures: tuple[str, ...], model_id: str) -> ModelKind:
    name = model_id.lower()
    if model_type in families.ENCODERS or _any_ends(architectures, ("ForMaskedLM",)):
        return ModelKind.ENCODER
    called = _any_ends(architectures, _EMBEDDING_HEADS) and not _any_ends(architectures, families.DECODING_MODELS)
    return ModelKind.EMBEDDING if called or "embedding" in name or "reranker" in name else ModelKind.DECODER


def _any_ends(names: tuple[str, ...], endings: tuple[str, ...]) -> bool:
    return any(name.endswith(endings) for name in names)


def _blocks(fields: Fields, hidden: int) -> tuple[LayerBlock, ...]:
    """Return the layers of one shape together, in the order the shapes first appear, and the blocks some layers share."""
    layers = _depth(fields)
    if layers > MOST_LAYERS:
        raise UnsupportedModel(f"the config of {fields.model_id} has num_hidden_layers {layers}", param="pretrained_model_uri")
    pairs = searched_layers(fields, layers=layers, hidden=hidden) or _pairs(fields, layers, hidden)
    order = list(dict.fromkeys(pairs))
    runs = groupby(sorted(order.index(pair) for pair in pairs))
    own = tuple(_block(len(list(run)), *order[index]) for index, run in runs)
    if fields.model_type in families.ONE_LAYER:
        own = tuple(replace(block, stored=min(block.count, fields.optional("num_hidden_groups") or 1)) for block in own)
    return own + shared_layers(fields, hidden)


def _pairs(fields: Fields, layers: int, hidden: int) -> tuple[tuple[AttentionSpec, FeedForwardSpec], ...]:
    mixing = attention_layers(fields, layers=layers, hidden=hidden)
    if has_encoder(fields):
        mixing = tuple(with_crossing(fields, spec, hidden) for spec in mixing)
    return tuple(zip(mixing, feed_forward_layers(fields, layers=layers, hidden=hidden), strict=True))


def _depth(fields: Fields) -> int:
    if fields.model_type in families.DOUBLED:
        return 2 * fields.size("num_layers")
    listed = listed_layers(fields) if fields.model_type in families.ONE_PART else ()
    return len(listed) or fields.size("num_hidden_layers", "n_layer", "num_decoder_layers", "num_layers", "n_layers", "decoder_layers")


def _block(count: int, attention: AttentionSpec, feed_forward: FeedForwardSpec) -> LayerBlock:
    parts = (attention != NO_MIXING) + (feed_forward != NOTHING)
    return LayerBlock(count=count, attention=attention, feed_forward=feed_forward, norms=parts)
