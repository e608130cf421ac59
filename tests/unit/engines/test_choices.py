"""What a search may choose of an engine version's knobs, and what every release takes of it."""

from dataclasses import replace

import pytest

from budsim.core.engines.arguments import PlannedMemory, engine_arguments
from budsim.core.engines.candidates import PRECISION_CODES
from budsim.core.engines.choices import STEP_TOKENS, choices_of, most_sequences, narrows_cache
from budsim.core.engines.flags import is_legal
from budsim.core.engines.offered import Knob, offered_knobs
from budsim.core.engines.releases import accepted, recorded_releases
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.catalogue import catalogue
from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.spec import Precision
from budsim.core.search.genome import space_of
from budsim.core.search.space import layouts_for, scenario_of
from budsim.core.workload import Workload
from tests.unit.search.test_on_the_real_models import part_on

SERVERS = [release for kind in (EngineKind.VLLM, EngineKind.SGLANG) for release in recorded_releases(kind)]


def scenario(kind=EngineKind.VLLM, version="0.15.1", device="H100-SXM-80GB", model="meta-llama/Llama-3.1-8B", tokens=(1000, 500)):
    accelerator, shape = catalogue()[device], catalogue_model(model)
    assert shape is not None
    engine = EngineProfile(kind=kind, version=version, image="", preference=0)
    load = Workload(input_tokens=tokens[0], output_tokens=tokens[1], concurrency=8)
    return Scenario(model=shape, device=accelerator, memory_bytes=accelerator.memory_bytes, engine=engine, workload=load)


def tokens(found):
    return [(step.tokens, step.chunked) for step in found.steps]


def test_the_steps_are_the_default_of_the_version_and_the_others_in_order():
    found = choices_of(scenario(), quantized=False)
    # vLLM 0.15 starts an H100 with 8,192 tokens a step
    assert tokens(found) == [(1024, True), (2048, True), (4096, True), (None, True), (16_384, True)]
    assert (found.default_step, found.leanest_step) == (3, 0)


def test_the_old_core_takes_prompts_whole_or_cuts_them_to_smaller_steps():
    found = choices_of(scenario(version="0.7.3", tokens=(5000, 1000)), quantized=False)
    # whole prompts need a step of the context, int(1.1 · 6,000) = 6,600 tokens
    assert tokens(found) == [(1024, True), (2048, True), (4096, True), (None, False), (8192, False), (16_384, False)]


def test_a_cpu_keeps_the_step_that_follows_its_sockets():
    name = next(name for name, device in catalogue().items() if device.device_type == "cpu")
    assert tokens(choices_of(scenario(device=name), quantized=False)) == [(None, True)]


@pytest.mark.parametrize(
    ("where", "able"),
    [
        (scenario(), True),
        (scenario(version="0.33.0"), True),
        (scenario(kind=EngineKind.SGLANG, version="0.5.9"), True),
        (scenario(device="A100-SXM-80GB"), False),  # no 8-bit path
        (scenario(model="deepseek-ai/DeepSeek-V3"), False),  # a latent cache
        (scenario(kind=EngineKind.LITELLM, version="1.80.0"), False),
    ],
    ids=["vllm", "vllm-newest", "sglang", "a100", "mla", "litellm"],
)
def test_the_cache_is_narrowed_where_version_device_and_model_can(where, able):
    assert narrows_cache(where) is able


def test_the_cache_is_narrowed_only_where_the_request_allows_quantisation():
    assert choices_of(scenario(), quantized=False).kv_precisions == (Precision.BF16,)
    assert choices_of(scenario(), quantized=True).kv_precisions == (Precision.BF16, Precision.FP8)


def test_a_proxy_holds_a_hundred_requests_and_a_server_1024():
    assert (most_sequences(EngineKind.LITELLM), most_sequences(EngineKind.VLLM), most_sequences(EngineKind.SGLANG)) == (100, 1024, 1024)


@pytest.mark.parametrize("release", SERVERS, ids=lambda release: f"{release.engine}-{release.version}")
@pytest.mark.parametrize("device", ["H100-SXM-80GB", "A100-SXM-80GB", "L40S-48GB"])
def test_every_candidate_of_the_space_is_started_in_words_its_release_takes(release, device):
    part = part_on("c", device, (2,), users=300, engine=release.engine)
    part = replace(part, engine=replace(part.engine, version=release.version), quantized=True)
    space = space_of(part, layouts_for(part))
    genomes = space.every()
    rows = space.candidates(genomes)
    where = scenario_of(part)
    for index in range(0, len(rows), 7):
        arguments, _ = engine_arguments(where, rows.row(index), memory=PlannedMemory(gpu_memory_utilization=0.9, kv_bytes=1e9))
        refused = {flag: value for flag, value in arguments.items() if not is_legal(release, flag, value)}
        assert not refused
    assert {PRECISION_CODES[code] for code in set(rows.kv_precision.tolist())} >= {Precision.BF16}


@pytest.mark.parametrize("release", SERVERS, ids=lambda release: f"{release.engine}-{release.version}")
def test_what_is_tried_of_a_knob_is_legal_and_a_missing_knob_has_no_values(release):
    where = scenario(kind=release.engine, version=release.version)
    found = {each.knob: each for each in offered_knobs(where, quantized=True)}
    assert set(found) == set(Knob)
    assert all(each.tried and each.why for each in found.values())
    delay = found[Knob.SCHEDULER_DELAY]
    assert bool(delay.legal) is ("scheduler-delay-factor" in accepted(release))
    assert delay.tried == (0.0,)
    assert found[Knob.MAX_NUM_BATCHED_TOKENS].legal == STEP_TOKENS
