"""Shapes of the models LLM-Pilot measured, from their published configs; an encoder-decoder is its decoder, the rest extra weights."""

from typing import Final

from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, ModelSpec, Precision

# layers, hidden, heads, KV heads, head dim, feed-forward, gated, vocabulary, parameters outside these layers
_SHAPES: Final = {
    "llama-7b": (32, 4096, 32, 32, 128, 11_008, True, 32_000, 0),
    "llama-13b": (40, 5120, 40, 40, 128, 13_824, True, 32_000, 0),
    "EleutherAI/gpt-neox-20b": (44, 6144, 64, 64, 96, 24_576, False, 50_432, 0),
    "Salesforce/codegen2-16B": (34, 6144, 24, 24, 256, 24_576, False, 51_200, 0),
    "bigcode/starcoder": (40, 6144, 48, 1, 128, 24_576, False, 49_152, 0),
    "ibm/mpt-7b-instruct2": (32, 4096, 32, 32, 128, 16_384, False, 50_432, 0),
    # an encoder of as many layers, and cross attention, beside the decoder
    "google/flan-t5-xl": (24, 2048, 32, 32, 64, 5_120, True, 32_128, 24 * (8 * 2048 * 2048 + 3 * 2048 * 5_120)),
    "google/flan-t5-xxl": (24, 4096, 64, 64, 64, 10_240, True, 32_128, 24 * (8 * 4096 * 4096 + 3 * 4096 * 10_240)),
    "bigscience/mt0-xxl": (24, 4096, 64, 64, 64, 10_240, True, 250_112, 24 * (8 * 4096 * 4096 + 3 * 4096 * 10_240)),
    "google/flan-ul2": (32, 4096, 16, 16, 256, 16_384, True, 32_128, 32 * (8 * 4096 * 4096 + 3 * 4096 * 16_384)),
}


def pilot_model(name: str) -> ModelSpec:
    """Return the shape of a measured model."""
    layers, hidden, heads, kv_heads, head_dim, inner, gated, vocabulary, beside = _SHAPES[name]
    attention = AttentionSpec(kind=AttentionKind.GQA, query_heads=heads, kv_heads=kv_heads, head_dim=head_dim, value_head_dim=head_dim)
    return ModelSpec(
        model_id=name,
        model_type="measured",
        architectures=(),
        kind=ModelKind.DECODER,
        hidden_size=hidden,
        vocab_size=vocabulary,
        blocks=(LayerBlock(count=layers, attention=attention, feed_forward=FeedForwardSpec(intermediate_size=inner, gated=gated)),),
        tied_embeddings=False,
        max_context_length=2048,
        precision=Precision.FP16,
        extra_parameters=beside,
    )
