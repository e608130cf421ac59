"""Every deployment the search can propose starts its engine: flags and values are those of the release, whatever the version."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budsim.core.engines.arguments import PlannedMemory, engine_arguments
from budsim.core.engines.candidates import Candidate
from budsim.core.engines.compatibility import compatible_engines
from budsim.core.engines.flags import is_legal, reads_variable
from budsim.core.engines.images import EngineImages
from budsim.core.engines.knobs import default_candidate
from budsim.core.engines.releases import recorded_releases, release_of
from budsim.core.engines.spec import Endpoint, EngineKind, Scenario
from budsim.core.errors import NoCompatibleEngine
from budsim.core.hardware.catalogue import catalogue as devices
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.catalogue import catalogue as models
from budsim.core.model.quantize import METHODS, quantize
from budsim.core.model.spec import ModelKind, Precision
from budsim.core.workload import Workload
from tests.support.physics_shapes import llama_8b

RELEASES = [pytest.param(release, id=f"{kind}-{release.version}") for kind in EngineKind for release in recorded_releases(kind)]
HOSTED = replace(llama_8b(kind=ModelKind.PROPRIETARY), model_id="openai/gpt-5", blocks=(), architectures=())
MODELS = [*models().values(), HOSTED]
DEVICES = sorted(devices().values(), key=lambda device: device.name)
ONE_OF_EACH = [next(device for device in DEVICES if device.device_type is kind) for kind in DeviceType]
LOAD = Workload(input_tokens=1000, output_tokens=100, concurrency=500)


def scenario_on(release, model, device, *, load=LOAD, endpoints=()):
    """Return what one release is judged in, or None where it does not run the model there."""
    images = EngineImages(versions={f"{release.engine}/{device.device_type}": release.version})
    restrict = (release.engine,)
    try:
        found = compatible_engines(model, device.device_type, endpoints=endpoints, parameters=8 * 10**9, images=images, restrict=restrict)
    except NoCompatibleEngine:
        return None
    return Scenario(model=model, device=device, memory_bytes=device.memory_bytes, engine=found[0], workload=load)


def refused(where, row, *, max_loras=0):
    """Return the flags and variables the release would not take."""
    release = release_of(where.engine.kind, where.engine.version)
    arguments, envs = engine_arguments(
        where, row, memory=PlannedMemory(gpu_memory_utilization=0.9, kv_bytes=1e10, working_bytes=1e9), max_loras=max_loras
    )
    flags = {flag: value for flag, value in arguments.items() if not is_legal(release, flag, value)}
    return flags | {name: value for name, value in envs.items() if not reads_variable(release, name) or not value}


@pytest.mark.parametrize("release", RELEASES)
def test_every_catalogued_model_starts_on_every_family_of_devices(release):
    started = 0
    for model in MODELS:
        for device in ONE_OF_EACH:
            if where := scenario_on(release, model, device):
                row = default_candidate(where, tensor_parallel=2, pipeline_parallel=1, concurrency=500)
                assert not refused(where, row), (model.model_id, device.name)
                started += 1
    assert started > 0


@given(data=st.data())
@pytest.mark.parametrize("release", RELEASES)
def test_any_knobs_start_any_model_on_any_device(release, data):
    model = data.draw(st.sampled_from(MODELS), label="model")
    method = data.draw(st.sampled_from([None, *METHODS]), label="quantisation")
    shaped = quantize(model, method) if method and model.kind is not ModelKind.PROPRIETARY else model
    load = Workload(input_tokens=data.draw(st.integers(1, 200_000)), output_tokens=data.draw(st.integers(1, 8192)), concurrency=1)
    endpoints = data.draw(st.sampled_from([(), (Endpoint.LLM,), (Endpoint.EMBEDDING,), (Endpoint.RERANK,)]))
    where = scenario_on(release, shaped, data.draw(st.sampled_from(DEVICES), label="device"), load=load, endpoints=endpoints)
    if where is not None:
        assert not refused(where, data.draw(candidates(where)), max_loras=data.draw(st.integers(0, 5)))


@given(data=st.data())
def test_a_step_of_vllm_is_never_smaller_than_vllm_allows(data):
    release = data.draw(st.sampled_from(recorded_releases(EngineKind.VLLM)))
    where = scenario_on(release, data.draw(st.sampled_from(MODELS)), data.draw(st.sampled_from(DEVICES)))
    if where is None:
        return
    row = data.draw(candidates(where))
    arguments, _ = engine_arguments(where, row, memory=PlannedMemory(gpu_memory_utilization=0.9, kv_bytes=1e10))
    assert arguments["max-num-seqs"] >= row.concurrency
    assert arguments["max-num-batched-tokens"] >= arguments["max-num-seqs"]
    if not row.chunked_prefill:
        assert arguments["max-num-batched-tokens"] >= arguments["max-model-len"]


@st.composite
def candidates(draw: st.DrawFn, where: Scenario) -> Candidate:
    """Return one of the default candidates with any of the knobs turned."""
    row = default_candidate(
        where,
        tensor_parallel=draw(st.sampled_from([1, 2, 4, 8])),
        pipeline_parallel=draw(st.sampled_from([1, 2])),
        concurrency=draw(st.integers(1, 1024)),
    )
    return replace(
        row,
        chunked_prefill=draw(st.booleans()),
        prefix_caching=draw(st.booleans()),
        kv_precision=draw(st.sampled_from([Precision.BF16, Precision.FP8])),
        scheduler_delay_factor=draw(st.sampled_from([0.0, 0.5])),
        data_parallel=draw(st.sampled_from([1, 2])),
        expert_parallel=draw(st.sampled_from([1, 2])),
    )
