"""A Hugging Face config, by its field names, as a ModelSpec. What cannot be read is named."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from budsim.core.errors import UnsupportedModel
from budsim.core.model.config_fields import Fields
from budsim.core.model.quantize import read_quantization
from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, ModelSpec, Precision

_ENCODER_TYPES = frozenset({"bert", "roberta", "xlm-roberta", "distilbert", "modernbert", "nomic_bert", "mpnet", "deberta-v2"})
_UNGATED_TYPES = frozenset({"gpt2", "gpt_neox", "gptj", "opt", "falcon", "bloom", "mpt", "starcoder2", "phi", *_ENCODER_TYPES})
# model types whose library default for tie_word_embeddings is true though the config leaves the field out
_TIED_BY_DEFAULT = frozenset(
    {"gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "opt", "falcon", "bloom", "starcoder2", "cohere", "cohere2"}
)
_BIASED_QKV_TYPES = frozenset(
    {"qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl", "gpt2", "opt", "gpt_neox", "starcoder2", "gpt_oss", *_ENCODER_TYPES}
)
_DTYPES = {"bfloat16": Precision.BF16, "float16": Precision.FP16, "float32": Precision.FP32}


def model_from_config(config: Mapping[str, Any], *, model_id: str, revision: str = "unknown", source: str = "config") -> ModelSpec:
    """Return the shape a config describes.

    Args:
        config: The parsed config.json; a multimodal wrapper's `text_config` is followed.
        model_id: Name the model is known by.
        revision: Commit the config was read at.
        source: Where it was read from.

    Raises:
        UnsupportedModel: A field the shape needs is missing or not a number; the message names it.
    """
    text = config.get("text_config")
    merged: Mapping[str, Any] = {**config, **text} if isinstance(text, Mapping) else config
    fields = Fields(merged, model_id)
    model_type = str(merged.get("model_type", "unknown"))
    architectures = tuple(str(name) for name in config.get("architectures") or merged.get("architectures") or ())
    hidden = fields.number("hidden_size", "n_embd", "d_model")
    return ModelSpec(
        model_id=model_id,
        model_type=model_type,
        architectures=architectures,
        kind=_kind(model_type, architectures, model_id),
        hidden_size=hidden,
        vocab_size=fields.number("vocab_size"),
        blocks=_blocks(fields, model_type, hidden),
        tied_embeddings=_tied(fields, model_type),
        max_context_length=fields.number("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", default=8192),
        precision=_DTYPES.get(str(merged.get("torch_dtype") or merged.get("dtype") or config.get("torch_dtype")), Precision.BF16),
        quantization=read_quantization(config),
        revision=revision,
        source=source,
    )


def _kind(model_type: str, architectures: tuple[str, ...], model_id: str) -> ModelKind:
    if "embedding" in model_id.lower():
        return ModelKind.EMBEDDING
    if model_type in _ENCODER_TYPES or any(name.endswith(("ForMaskedLM", "ForSequenceClassification")) for name in architectures):
        return ModelKind.ENCODER
    return ModelKind.DECODER


def _tied(fields: Fields, model_type: str) -> bool:
    given = fields.flag("tie_word_embeddings")
    if model_type in _ENCODER_TYPES:
        return True
    if given is None:
        return model_type in _TIED_BY_DEFAULT
    return given


def _blocks(fields: Fields, model_type: str, hidden: int) -> tuple[LayerBlock, ...]:
    layers = fields.number("num_hidden_layers", "n_layer", "num_layers", "n_layers")
    if layers < 1:
        raise UnsupportedModel(f"{fields.model_id}: num_hidden_layers is {layers}", param="pretrained_model_uri")
    attention = _mla(fields) if fields.optional("kv_lora_rank") else _gqa(fields, model_type, hidden)
    dense = _dense(fields, model_type, hidden)
    if not fields.optional("num_local_experts", "num_experts", "n_routed_experts"):
        return _windowed(fields, model_type, layers, attention, dense)
    first = min(layers, fields.optional("first_k_dense_replace") or 0)
    sparse = _experts(fields, model_type)
    routed = _windowed(fields, model_type, layers - first, attention, sparse)
    return (LayerBlock(count=first, attention=attention, feed_forward=dense), *routed) if first else routed


def _gqa(fields: Fields, model_type: str, hidden: int) -> AttentionSpec:
    heads = fields.number("num_attention_heads", "n_head", "n_heads")
    if heads < 1:
        raise UnsupportedModel(f"{fields.model_id}: num_attention_heads is {heads}", param="pretrained_model_uri")
    multi_query = bool(fields.flag("multi_query")) and not fields.flag("new_decoder_architecture")
    kv_heads = 1 if multi_query else fields.optional("num_key_value_heads", "num_kv_heads", "n_head_kv") or heads
    head_dim = fields.optional("head_dim") or hidden // heads
    bias = fields.flag("attention_bias", "qkv_bias")
    return AttentionSpec(
        kind=AttentionKind.GQA,
        query_heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_head_dim=head_dim,
        bias=model_type in _BIASED_QKV_TYPES if bias is None else bias,
    )


def _mla(fields: Fields) -> AttentionSpec:
    heads = fields.number("num_attention_heads")
    return AttentionSpec(
        kind=AttentionKind.MLA,
        query_heads=heads,
        kv_heads=1,
        head_dim=fields.number("qk_nope_head_dim"),
        value_head_dim=fields.number("v_head_dim"),
        rope_head_dim=fields.number("qk_rope_head_dim"),
        kv_lora_rank=fields.number("kv_lora_rank"),
        q_lora_rank=fields.optional("q_lora_rank") or 0,
    )


def _dense(fields: Fields, model_type: str, hidden: int) -> FeedForwardSpec:
    width = fields.optional("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size") or 4 * hidden
    return FeedForwardSpec(intermediate_size=width, gated=model_type not in _UNGATED_TYPES, bias=model_type in _UNGATED_TYPES)


def _experts(fields: Fields, model_type: str) -> FeedForwardSpec:
    width = fields.optional("moe_intermediate_size") or fields.number("intermediate_size")
    shared = fields.optional("shared_expert_intermediate_size") or (fields.optional("n_shared_experts") or 0) * width
    return FeedForwardSpec(
        intermediate_size=0,
        bias=model_type == "gpt_oss",
        experts=fields.number("num_local_experts", "num_experts", "n_routed_experts"),
        experts_per_token=fields.number("num_experts_per_tok", "experts_per_token", "num_experts_per_token"),
        expert_intermediate_size=width,
        shared_intermediate_size=shared,
    )


def _windowed(
    fields: Fields, model_type: str, layers: int, attention: AttentionSpec, feed_forward: FeedForwardSpec
) -> tuple[LayerBlock, ...]:
    """Split layers into those with a sliding window and those without."""
    window = fields.optional("sliding_window")
    sliding = min(layers, _sliding_layers(fields, model_type, layers)) if window else 0
    if sliding == 0:
        return (LayerBlock(count=layers, attention=attention, feed_forward=feed_forward),)
    near = LayerBlock(count=sliding, attention=replace(attention, window=window), feed_forward=feed_forward)
    full = LayerBlock(count=layers - sliding, attention=attention, feed_forward=feed_forward)
    return (near, full) if full.count else (near,)


def _sliding_layers(fields: Fields, model_type: str, layers: int) -> int:
    kinds = fields.names("layer_types")
    if kinds:
        return sum(kind == "sliding_attention" for kind in kinds)
    if fields.flag("use_sliding_window") is False:
        return 0
    match model_type:
        case "gemma2" | "gpt_oss":
            return (layers + 1) // 2
        case "gemma3" | "gemma3_text":
            period = fields.optional("sliding_window_pattern") or 6
            return layers - layers // period
        case "mistral" | "mixtral":
            return layers
        case _:
            return 0
