"""Layers that keep a state: what a sequence holds, what a token costs, and weights that layers share; worked by hand."""

from typing import Any

import pytest

from budsim.core.errors import UnsupportedModel
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.kv_cache import kv_bytes_per_sequence, kv_bytes_per_token, state_bytes_per_sequence
from budsim.core.model.parameters import active_parameter_count, layer_parameters, parameter_count
from budsim.core.model.recurrence import state_flop_per_token
from budsim.core.model.spec import AttentionKind, ModelSpec
from budsim.core.model.weights import weight_bytes

JAMBA: dict[str, Any] = {  # the sizes of JambaConfig in transformers 5.17.0, which are Jamba v0.1's
    "model_type": "jamba",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 65536,
    "num_experts": 16,
    "num_experts_per_tok": 2,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
    "attn_layer_period": 8,
    "attn_layer_offset": 4,
    "mamba_d_state": 16,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
}

NEMOTRON_H: dict[str, Any] = {
    "model_type": "nemotron_h",
    "hybrid_override_pattern": "M-*E",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 100,
    "ssm_state_size": 8,
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "n_groups": 1,
    "conv_kernel": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "moe_shared_expert_intermediate_size": 48,
    "n_shared_experts": 1,
}


def _jamba(**changed: object) -> ModelSpec:
    return model_from_config({**JAMBA, **changed}, model_id="jamba")


def test_only_the_layers_that_attend_have_a_growing_cache() -> None:
    # 4 of 32 layers attend: 4 · 2 · 8 heads · 128 · 2 B
    assert float(kv_bytes_per_token(_jamba(), tensor_parallel=1, bytes_per_value=2.0)) == 16_384


def test_a_sequence_keeps_the_states_of_the_other_layers_whatever_its_length() -> None:
    # 28 layers of 8192 · 16 values in fp32 and 8192 · 3 taps in 16 bits
    states = 28 * (8192 * 16 * 4 + 8192 * 3 * 2)
    model = _jamba()
    assert float(state_bytes_per_sequence(model, tensor_parallel=1)) == states
    for tokens in (1.0, 10_000.0):
        held = float(kv_bytes_per_sequence(model, tokens=tokens, tensor_parallel=1, bytes_per_value=2.0))
        assert held == states + 16_384 * tokens
    assert float(state_bytes_per_sequence(model, tensor_parallel=4)) == states / 4


def test_a_token_works_on_every_value_of_a_state() -> None:
    state = next(block.attention for block in _jamba().blocks if block.attention.kind is AttentionKind.STATE)
    # decay 1, outer product 2, read 2, the delta rule's read 2 and difference 1
    assert state_flop_per_token(state) == 8 * 8192 * 16


def test_half_of_jambas_layers_route_to_experts() -> None:
    model = _jamba()
    assert sum(block.count for block in model.blocks if block.feed_forward.experts) == 16
    # a token meets 2 of 16 experts of 3 · 4096 · 14336 in 16 layers
    assert parameter_count(model) - active_parameter_count(model) == 16 * 14 * 3 * 4096 * 14336


def test_a_layer_of_nemotron_h_is_one_part_with_one_norm() -> None:
    model = model_from_config(NEMOTRON_H, model_id="n")
    sizes = {layer_parameters(model, block) for block in model.blocks}
    # state: in 64·(64+80+4), out 64·64, taps 80·4 + 80, 3·4 scalars, gated norm 64; norm 64
    mamba = 64 * 148 + 64 * 64 + 80 * 5 + 12 + 64 + 64
    dense = 2 * 64 * 128 + 64  # ungated
    attention = 64 * (64 + 2 * 32) + 64 * 64 + 64
    routed = 4 * 2 * 64 * 32 + 4 * 64 + 2 * 64 * 48 + 64
    assert sizes == {mamba, dense, attention, routed}


def test_a_block_that_layers_share_is_stored_once_and_cached_by_each_call() -> None:
    config = {
        "model_type": "zamba",
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": 100,
        "attn_layer_period": 6,
        "attn_layer_offset": 4,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "tie_word_embeddings": True,
    }
    model = model_from_config(config, model_id="z")
    shared = next(block for block in model.blocks if block.stored)
    assert (shared.count, shared.copies) == (2, 1)
    # layers 4 and 10 call it: 2 · 2 · 4 heads · (2·64/4) · 2 B
    assert float(kv_bytes_per_token(model, tensor_parallel=1, bytes_per_value=2.0)) == 2 * 2 * 4 * 32 * 2
    once = parameter_count(model)
    assert weight_bytes(model) == 2 * once


def test_layers_that_read_another_layers_cache_add_none() -> None:
    config = {
        "model_type": "gemma4_text",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "global_head_dim": 16,
        "vocab_size": 100,
        "hidden_size_per_layer_input": 0,
        "num_kv_shared_layers": 2,
        "layer_types": ["full_attention"] * 6,
    }
    model = model_from_config(config, model_id="g")
    assert float(kv_bytes_per_token(model, tensor_parallel=1, bytes_per_value=2.0)) == 4 * 2 * 2 * 16 * 2


def test_whisper_keeps_the_keys_of_what_it_heard() -> None:
    config = {
        "model_type": "whisper",
        "d_model": 384,
        "vocab_size": 51865,
        "encoder_layers": 4,
        "decoder_layers": 4,
        "encoder_attention_heads": 6,
        "decoder_attention_heads": 6,
        "encoder_ffn_dim": 1536,
        "decoder_ffn_dim": 1536,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
        "max_target_positions": 448,
    }
    model = model_from_config(config, model_id="openai/whisper-tiny")
    # 4 layers of keys and values of 1500 positions in 16 bits
    assert float(state_bytes_per_sequence(model, tensor_parallel=1)) == 4 * 2 * 1500 * 384 * 2


def test_a_layer_no_reader_knows_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="layer_types 'holographic'"):
        _jamba(layer_types=["holographic"] * 32)


def test_an_encoder_no_reader_knows_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="is_encoder_decoder"):
        _jamba(model_type="pegasus", is_encoder_decoder=True)


def test_layers_that_route_to_experts_a_config_does_not_name_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="routes a token to num_experts_per_tok=1 of 0 experts"):
        model_from_config({**NEMOTRON_H, "n_routed_experts": 0}, model_id="org/mutant")
