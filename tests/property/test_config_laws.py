"""Laws of reading configs: whatever is changed in one, the answer is a sound shape or an error that names the field."""

import json
import math
from importlib.resources import files
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.core.errors import InvalidInput, UnsupportedModel
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.kv_cache import kv_bytes_per_sequence, state_bytes_per_sequence
from budsim.core.model.parameters import active_parameter_count, parameter_count
from budsim.core.model.spec import ModelSpec
from budsim.core.model.weights import weight_bytes

ENTRIES: dict[str, dict[str, Any]] = json.loads(files("budsim.core.model").joinpath("catalogue.json").read_text(encoding="utf-8"))
ONE_OF_EACH = {entry["config"]["model_type"]: entry["config"] for entry in ENTRIES.values() if "config" in entry}
CONFIGS = tuple(ONE_OF_EACH.values())
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.integers(0, 300),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.one_of(st.integers(-2, 9), st.text(max_size=3)), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A published config with a few fields changed, lost or exchanged for one of another type's."""
    config = dict(draw(st.sampled_from(CONFIGS)))
    for _ in range(draw(st.integers(1, 3))):
        sections = [name for name, value in config.items() if isinstance(value, dict)]
        where = draw(st.sampled_from([None, *sections]))
        if where is None:
            config = _changed(draw, config)
        else:
            config[where] = _changed(draw, config[where])
    return config


def _changed(draw: st.DrawFn, config: dict[str, Any]) -> dict[str, Any]:
    if not config:
        return config
    name = draw(st.sampled_from(sorted(config)))
    other = draw(st.sampled_from(CONFIGS))
    field = draw(st.sampled_from(sorted(other)))
    lost = {kept: value for kept, value in config.items() if kept != name}
    return draw(st.sampled_from([{**config, name: draw(ODD)}, lost, {**config, field: other[field]}]))


def _sound(model: ModelSpec) -> None:
    # a config may be read and make no sense: sizes that shrink below zero are refused, none may be infinite
    figures = (
        float(parameter_count(model)),
        float(active_parameter_count(model)),
        weight_bytes(model),
        float(kv_bytes_per_sequence(model, tokens=100.0, tensor_parallel=2, bytes_per_value=2.0)),
        float(state_bytes_per_sequence(model, tensor_parallel=2)),
    )
    assert all(math.isfinite(figure) and figure >= 0.0 for figure in figures), figures
    assert figures[0] > 0.0
    assert figures[1] <= figures[0]


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_changed_config_gives_a_sound_shape_or_an_error_that_names_it(config: dict[str, Any]) -> None:
    try:
        model = model_from_config(config, model_id="org/mutant")
    except (UnsupportedModel, InvalidInput) as error:
        assert error.param == "pretrained_model_uri"
        assert "org/mutant" in error.message
    else:
        _sound(model)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([config for config in CONFIGS if isinstance(config.get("num_hidden_layers"), int) and "layer_types" not in config]))
def test_more_layers_never_have_fewer_parameters(config: dict[str, Any]) -> None:
    deeper = {**config, "num_hidden_layers": config["num_hidden_layers"] + 1}
    assert parameter_count(model_from_config(deeper, model_id="x")) >= parameter_count(model_from_config(config, model_id="x"))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([config for config in CONFIGS if isinstance(config.get("intermediate_size"), int)]),
    st.sampled_from(["intermediate_size", "vocab_size", "moe_intermediate_size"]),
)
def test_a_wider_model_never_has_fewer_parameters(config: dict[str, Any], field: str) -> None:
    wider = {**config, field: config[field] + 256} if isinstance(config.get(field), int) else config
    assert parameter_count(model_from_config(wider, model_id="x")) >= parameter_count(model_from_config(config, model_id="x"))
