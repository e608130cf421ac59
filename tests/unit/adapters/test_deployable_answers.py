"""What is recommended starts its engine: flags of the release, values of the plan, memory that holds them."""

from dataclasses import replace

import pytest

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.engines.compatibility import compatible_engines
from budsim.core.engines.flags import is_legal, reads_variable
from budsim.core.engines.images import EngineImages
from budsim.core.engines.releases import recorded_releases, release_of
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.parameters import parameter_count
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.search.direct import direct_search
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import SearchTask
from budsim.core.slo import Slo
from budsim.core.units import bytes_to_gb
from tests.support.search_fakes import make_group, make_load, make_part

PLACES = [
    ("Qwen/Qwen3-8B", "H100-SXM-80GB"),
    ("Qwen/Qwen3-8B", "MI300X-192GB"),
    ("Qwen/Qwen3-8B", "A100-SXM-40GB"),
    ("deepseek-ai/DeepSeek-V3", "H200-SXM-141GB"),
    ("meta-llama/Llama-3.1-70B-Instruct", "L40S-48GB"),
]
RELEASES = [release for kind in (EngineKind.VLLM, EngineKind.SGLANG) for release in recorded_releases(kind)]


def recommended(model_id, device_name, release, *, users=200):
    """Return the part that was searched and the configurations of its answer."""
    model, device = catalogue_model(model_id), catalogue()[device_name]
    assert model is not None
    images = EngineImages(versions={f"{release.engine}/{device.device_type}": release.version})
    engine = compatible_engines(
        model, device.device_type, endpoints=(), parameters=parameter_count(model), images=images, restrict=(release.engine,)
    )[0]
    group = replace(
        make_group(nodes=(8, 8), device_type=device.device_type),
        accelerator=device,
        device_name=device_name,
        memory_bytes=device.memory_bytes,
    )
    part = replace(make_part(group=group, engine=engine, load=make_load(concurrency=users, output_tokens=512)), model=model)
    task, memory = narrow(part, (), AnalyticMemory(), now_s=0.0), AnalyticMemory()
    assert isinstance(task, SearchTask)
    result = direct_search(task, HeuristicPredictor(memory=memory), memory)
    answer = recommendation_event(recommend(Findings(workflow_id="w", slo=Slo(), parts=(part,), results=[result])))
    return part, answer.recommendations[0].configurations


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: f"{release.engine}-{release.version}")
@pytest.mark.parametrize(("model_id", "device_name"), PLACES)
def test_every_recommended_configuration_starts_its_release(model_id, device_name, release):
    if catalogue_model(model_id).model_type == "qwen3" and release.version in ("0.7.3", "0.8.5"):
        model_id = "Qwen/Qwen2.5-7B"
    part, configurations = recommended(model_id, device_name, release)
    for body in configurations:
        spoken = release_of(EngineKind(body.engine), body.engine_version)
        assert {flag: value for flag, value in body.args.items() if not is_legal(spoken, flag, value)} == {}
        assert all(reads_variable(spoken, name) for name in body.envs)
        assert sequences_of(body) >= body.concurrency
        assert devices_of(body) == (body.tp_size, body.pp_size)
        assert share_of(body) * bytes_to_gb(part.group.memory_bytes) >= held_gb(body)


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.SGLANG])
def test_room_for_adapters_is_told_with_each_configuration(kind):
    release = recorded_releases(kind)[1]
    _, configurations = recommended("Qwen/Qwen2.5-7B", "H100-SXM-80GB", release, users=8)
    assert max(body.max_loras for body in configurations) == 5


def sequences_of(body):
    return body.args["max-num-seqs" if body.engine == "vllm" else "max-running-requests"]


def devices_of(body):
    names = ("tensor-parallel-size", "pipeline-parallel-size") if body.engine == "vllm" else ("tp-size", "pp-size")
    return tuple(body.args[name] for name in names)


def share_of(body):
    return body.args["gpu-memory-utilization" if body.engine == "vllm" else "mem-fraction-static"]


def held_gb(body):
    """Return what the share must hold: all of the plan on vLLM, weights and cache on SGLang, less the rounding of four digits."""
    whole = body.total_memory_gb if body.engine == "vllm" else body.weight_memory_gb + body.kv_cache_memory_gb
    return whole * 0.999
