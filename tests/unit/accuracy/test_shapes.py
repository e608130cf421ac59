"""Models from a table of shapes."""

import pytest

from budsim.core.errors import UnsupportedModel
from budsim.core.model.kv_cache import kv_bytes_per_token
from budsim.core.model.parameters import active_parameter_count, parameter_count
from budsim.core.model.spec import AttentionKind
from budsim.services.accuracy.shapes import model_from_shape, models_of
from tests.support.measured_rows import DEEPSEEK_SHAPE, LLAMA_SHAPE


def cached(model):
    return float(kv_bytes_per_token(model, tensor_parallel=1, bytes_per_value=2.0))


def test_a_dense_shape_has_the_published_parameters_and_cache():
    model = model_from_shape(LLAMA_SHAPE)
    assert parameter_count(model) == pytest.approx(8.03e9, rel=0.005)
    assert cached(model) == 131_072  # 32 layers · 2 · 8 heads · 128 · 2 B


def test_a_routed_shape_with_latent_attention_has_them_too():
    model = model_from_shape(DEEPSEEK_SHAPE)
    assert parameter_count(model) == pytest.approx(671e9, rel=0.005)
    assert active_parameter_count(model) == pytest.approx(37e9, rel=0.03)
    assert cached(model) == 70_272  # 61 layers · (512 + 64) · 2 B


@pytest.mark.parametrize(
    ("cell", "family", "windowed"),
    [
        ("128", "moe-gqa-swa", 16),
        ("4096 (every 2nd layer)", "gemma2", 16),
        ("1024 (5 of 6 layers)", "gemma3", 27),
        ("4096", "starcoder2", 32),
    ],
)
def test_windows_stand_on_the_layers_that_have_them(cell, family, windowed):
    model = model_from_shape(LLAMA_SHAPE | {"sliding_window": cell, "family": family})
    assert sum(block.count for block in model.blocks if block.attention.window) == windowed
    assert model.layers == 32


def test_a_hybrid_keeps_a_cache_on_one_layer_in_four():
    model = model_from_shape(LLAMA_SHAPE | {"attention": "hybrid 1:4"})
    assert sum(block.count for block in model.blocks if block.attention.kind is AttentionKind.STATE) == 24
    assert cached(model) == 131_072 / 4
    assert parameter_count(model) == pytest.approx(8.03e9, rel=0.03)


def test_an_encoders_weights_are_held_but_not_met_by_decoded_tokens():
    both = model_from_shape(LLAMA_SHAPE | {"num_params_b": "20", "active_params_b": "20", "family": "t5 encoder-decoder (32+32 layers)"})
    assert parameter_count(both) == pytest.approx(20e9, rel=0.001)
    assert both.extra_parameters > 9e9
    assert both.layers == 48  # three sub-layers where others have two


def test_what_is_missing_is_named():
    found = models_of([LLAMA_SHAPE | {"model": "m", "num_layers": "", "hidden_size": "nan"}])["m"]
    assert isinstance(found, UnsupportedModel)
    assert "num_layers, hidden_size" in str(found)
