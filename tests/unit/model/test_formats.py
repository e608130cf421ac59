"""Formats of weights: what a quantization_config says, and the bytes it makes of them; worked by hand."""

from typing import Any

import pytest

from budsim.core.errors import UnsupportedModel
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.parameters import attention_parameters, dense_feed_forward_parameters, expert_parameters
from budsim.core.model.spec import ModelSpec, Precision
from budsim.core.model.weights import dense_bytes_per_weight, layers_weight_bytes, linear_bytes_per_weight
from tests.support.plain_config import TINY

ROUTED = {**TINY, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}


def _stored(section: dict[str, Any], config: dict[str, Any] = TINY, **more: object) -> ModelSpec:
    return model_from_config({**config, **more, "quantization_config": section}, model_id="org/m")


def _groups(**weights: object) -> dict[str, Any]:
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}


def _torchao(name: str, **data: object) -> dict[str, Any]:
    return {"quant_method": "torchao", "quant_type": {"default": {"_type": name, "_data": data}}}


def _targets(**groups: dict[str, Any]) -> dict[str, Any]:
    return {"quant_method": "compressed-tensors", "config_groups": groups}


EIGHT, FOUR = {"num_bits": 8, "type": "float"}, {"num_bits": 4, "type": "int", "group_size": 128}
BY_PARTS = {
    "groups": _targets(a={"targets": ["re:.*self_attn.*"], "weights": EIGHT}, b={"targets": ["re:.*mlp.*"], "weights": FOUR}),
    "layers": {
        "quant_method": "quark",
        "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}},
        "layer_quant_config": {"*.mlp.*": {"weight": {"dtype": "int4"}}},
    },
}


@pytest.mark.parametrize("section", BY_PARTS.values(), ids=BY_PARTS)
def test_a_feed_forward_in_a_format_of_its_own_stands_beside_attention_in_another(section: dict[str, Any]) -> None:
    model = _stored(section)
    block = model.blocks[0]
    mixing, rest = attention_parameters(model, block.attention), dense_feed_forward_parameters(model, block)
    assert layers_weight_bytes(model) == pytest.approx(2 * (mixing + rest * (4 + 16 / 128) / 8 + 2 * 128))


def test_experts_alone_in_a_format_leave_the_rest_as_it_is() -> None:
    layers = {"*block_sparse_moe.experts": {"weight": {"dtype": "fp4"}}}
    model = _stored({"quant_method": "quark", "global_quant_config": {}, "layer_quant_config": layers}, ROUTED)
    assert (linear_bytes_per_weight(model), dense_bytes_per_weight(model)) == (4.25 / 8, 2.0)


def test_a_feed_forward_alone_in_a_format_leaves_attention_as_it_is() -> None:
    layers = {"model.layers.0.mlp.up_proj": {"quant_algo": "NVFP4"}}
    model = _stored({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers})
    block = model.blocks[0]
    mixing, rest = attention_parameters(model, block.attention), dense_feed_forward_parameters(model, block)
    assert layers_weight_bytes(model) == pytest.approx(2 * (2 * mixing + rest * 4.5 / 8 + 2 * 128))


@pytest.mark.parametrize(
    ("section", "bits", "activation"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4 + 20 / 128, Precision.BF16),  # a 16-bit scale, a 4-bit zero point
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, 4 + 20 / 32, Precision.BF16),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8, Precision.FP8),
        ({"quant_method": "fbgemm_fp8"}, 8, Precision.FP8),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 4 + 32 / 64, Precision.BF16),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 8, Precision.BF16),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 4 + 8 / 16, Precision.FP4),
        ({"quant_algo": "FP8"}, 8, Precision.FP8),  # modelopt's own file names no method
        ({"quant_method": "modelopt", "quant_algo": "W4A16_NVFP4"}, 4 + 8 / 16, Precision.BF16),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4"}}}, 4 + 8 / 32, Precision.BF16),
        (_groups(num_bits=4, type="float", group_size=32), 4 + 8 / 32, Precision.BF16),  # mxfp4-pack-quantized
        (_groups(num_bits=4, type="int", group_size=128), 4 + 16 / 128, Precision.BF16),
        # Kimi-K2.5 of AMD: narrowed in two stages, stored in the last
        (
            {"quant_method": "quark", "global_quant_config": {"weight": [{"dtype": "fp8_e4m3"}, {"dtype": "int4"}]}},
            4 + 16 / 128,
            Precision.BF16,
        ),
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, 4 + 32 / 64, Precision.BF16),  # old files name no method
        (_torchao("Int4WeightOnlyConfig", group_size=32), 4 + 16 / 32, Precision.BF16),
        (_torchao("Float8DynamicActivationFloat8WeightConfig"), 8, Precision.FP8),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, 8, Precision.BF16),
        ({"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}}, 9, Precision.BF16),
        ({"quant_method": "intel/auto-round", "bits": 4, "group_size": 128}, 4 + 16 / 128, Precision.BF16),
    ],
)
def test_a_weight_takes_the_bits_its_format_gives(section: dict[str, Any], bits: float, activation: Precision) -> None:
    model = _stored(section)
    assert linear_bytes_per_weight(model) * 8 == pytest.approx(bits)
    assert model.quantization is not None
    assert model.quantization.activation is activation


def test_attention_that_was_left_out_keeps_its_width() -> None:
    model = _stored({"quant_method": "modelopt", "quant_algo": "FP8", "exclude_modules": ["model.layers.*.self_attn*", "lm_head"]})
    block = model.blocks[0]
    mixing, rest = attention_parameters(model, block.attention), dense_feed_forward_parameters(model, block)
    norms = 2 * 64
    assert layers_weight_bytes(model) == pytest.approx(2 * (2 * mixing + rest + 2 * norms))


def test_only_a_left_out_head_leaves_attention_in_its_format() -> None:
    model = _stored({"quant_method": "modelopt", "quant_algo": "FP8", "exclude_modules": ["lm_head"]})
    assert dense_bytes_per_weight(model) == 1.0


def test_layers_of_different_formats_are_told_apart() -> None:
    layers = {
        "model.layers.0.self_attn.q_proj": {"quant_algo": "FP8"},
        "model.layers.0.mlp.experts.0.up_proj": {"quant_algo": "NVFP4"},
        "model.layers.0.mlp.experts.1.up_proj": {"quant_algo": "NVFP4"},
    }
    model = _stored({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers}, ROUTED)
    assert (linear_bytes_per_weight(model), dense_bytes_per_weight(model)) == (4.5 / 8, 1.0)


def test_experts_in_fp4_stand_beside_weights_in_fp8() -> None:
    model = _stored({"quant_method": "fp8"}, ROUTED, expert_dtype="fp4")
    block = model.blocks[0]
    experts = expert_parameters(model, block)
    rest = attention_parameters(model, block.attention) + dense_feed_forward_parameters(model, block)
    assert layers_weight_bytes(model) == pytest.approx(2 * (experts * 4.25 / 8 + rest + 2 * 128))


@pytest.mark.parametrize(
    "section",
    [
        {"quant_method": "modelopt", "quant_algo": "W2A2"},
        {"quant_method": "nobody"},
        {"quant_algo": "MIXED_PRECISION"},
        _torchao("UIntXWeightOnlyConfig"),
    ],
)
def test_a_format_nobody_knows_is_named(section: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel, match="quantization_config of org/m has"):
        _stored(section)


@pytest.mark.parametrize(("named", "excluded"), [(range(TINY["num_hidden_layers"]), True), (range(1), False)])
def test_attention_that_is_left_out_layer_by_layer_keeps_its_width(named: range, excluded: bool) -> None:
    left = [f"model.layers.{layer}.self_attn.{name}_proj" for layer in named for name in "qkvo"]
    model = _stored({"quant_method": "fbgemm_fp8", "modules_to_not_convert": left})
    assert model.quantization is not None
    assert model.quantization.excludes_attention is excluded


@pytest.mark.parametrize(
    ("section", "block"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 128),
        ({"quant_method": "fp8"}, 0),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {"weights": {"type": "float", "num_bits": 8, "strategy": "block", "block_structure": [128, 128]}}
                },
            },
            128,
        ),
    ],
    ids=["fp8", "fp8 by tensor", "compressed"],
)
def test_the_squares_that_share_a_scale_are_read(section: dict[str, Any], block: int) -> None:
    model = _stored(section)
    assert model.quantization is not None
    assert model.quantization.block_size == block
