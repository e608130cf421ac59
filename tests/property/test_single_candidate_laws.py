"""A candidate alone is reckoned in numbers, many are in columns: the answers are the same."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import Link
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue as catalogued_models
from budsim.core.model.quantize import quantize
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.workload import LoadMode, Workload
from tests.property.test_physics_laws import rows
from tests.support.physics_shapes import candidate, device, scenario

MEMORY = AnalyticMemory()
PREDICTOR = HeuristicPredictor(memory=MEMORY)
DEVICES = [replace(each, memory_bytes=each.memory_bytes or 256e9) for _, each in sorted(catalogue().items())]
MODELS = [model for _, model in sorted(catalogued_models().items())]
RELEASES = [
    (EngineKind.VLLM, "0.6.3"),
    (EngineKind.VLLM, "0.11.2"),
    (EngineKind.VLLM, "0.21.0"),
    (EngineKind.SGLANG, "0.5.9"),
    (EngineKind.LATENTBUD, "0.1"),
    (EngineKind.LITELLM, "1.0"),
]


def columns_of(table):
    """Yield the columns of a table, those of its intervals too."""
    for field in fields(table):
        value = getattr(table, field.name)
        if is_dataclass(value):
            yield from columns_of(value)
        elif value is not None:
            yield field.name, value


@st.composite
def scenarios(draw):
    model = draw(st.sampled_from(MODELS))
    if model.quantization is None and draw(st.booleans()):
        model = quantize(model, draw(st.sampled_from(["fp8", "awq", "mxfp4"])))
    mode = draw(st.sampled_from(list(LoadMode)))
    load = Workload(
        input_tokens=draw(st.integers(1, 20_000)),
        output_tokens=draw(st.integers(1, 4000)),
        concurrency=8,
        request_rate_per_s=draw(st.floats(0.01, 1000.0)) if mode is LoadMode.OPEN_LOOP else None,
        mode=mode,
        cached_share=draw(st.sampled_from([0.0, 0.3, 0.9])),
    )
    kind, version = draw(st.sampled_from(RELEASES))
    where = scenario(model=model, on=draw(st.sampled_from(DEVICES)), engine=kind)
    return replace(where, workload=load, engine=replace(where.engine, version=version))


@settings(max_examples=200, deadline=None)
@given(scenarios(), st.lists(rows(), min_size=2, max_size=4))
def test_a_candidate_alone_is_answered_as_among_others(where, several):
    together = Candidates.from_rows(several)
    for method in (MEMORY.plan, PREDICTOR.predict):
        among = dict(columns_of(method(where, together)))
        for index, row in enumerate(several):
            alone = dict(columns_of(method(where, Candidates.from_rows([row]))))
            assert alone.keys() == among.keys()
            for name, column in alone.items():
                assert column.shape == (1, *among[name].shape[1:])
                assert column.dtype == among[name].dtype
                assert column[0] == pytest.approx(among[name][index], rel=1e-12, nan_ok=True), name


@pytest.mark.parametrize("broken", ["bandwidth", "links"])
def test_a_device_that_never_finishes_is_answered_alone_as_among_others(broken):
    whole = device()
    dead = {
        "bandwidth": replace(whole, bandwidth_bytes_per_s=0.0),
        "links": replace(whole, intra_node=Link(bandwidth_bytes_per_s=0.0, latency_s=0.0)),
    }[broken]
    row = candidate(tensor_parallel=2, concurrency=4)
    with np.errstate(all="ignore"):
        pair = PREDICTOR.predict(scenario(on=dead), Candidates.from_rows([row, row]))
        alone = PREDICTOR.predict(scenario(on=dead), Candidates.from_rows([row]))
    assert not np.isfinite(pair.e2e_s[0])
    for (name, column), (_, of_pair) in zip(columns_of(alone), columns_of(pair), strict=True):
        assert np.array_equal(column, of_pair[:1], equal_nan=column.dtype.kind == "f"), name
