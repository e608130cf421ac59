"""What an engine is started with: flags it has, values it takes, and the plan it was made for."""

from dataclasses import replace
from itertools import product

import pytest

from budsim.core.engines.arguments import engine_arguments
from budsim.core.engines.compatibility import compatible_engines
from budsim.core.engines.flags import is_legal, legal_flags, recorded_version
from budsim.core.engines.images import VERSIONS
from budsim.core.engines.knobs import default_candidate
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.engines.tables import rows
from budsim.core.errors import NoCompatibleEngine
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.catalogue import catalogue
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelKind, Precision
from budsim.core.workload import Workload
from tests.support.physics_shapes import candidate, device, llama_8b, scenario

GIB = 2**30


def started(where, row, *, utilization=0.9, kv_bytes=10 * GIB, working_bytes=0.0):
    return engine_arguments(where, row, gpu_memory_utilization=utilization, kv_bytes=kv_bytes, working_bytes=working_bytes)


def engines_for(model, device_type):
    try:
        return compatible_engines(model, device_type, endpoints=(), parameters=8 * 10**9, images={})
    except NoCompatibleEngine:
        return ()


MODELS = [
    *catalogue().values(),
    quantize(llama_8b(), "fp8"),
    quantize(llama_8b(), "nf4"),
    replace(llama_8b(), precision=Precision.FP16),
    replace(llama_8b(kind=ModelKind.PROPRIETARY), blocks=(), architectures=()),
]


@pytest.mark.parametrize("device_type", list(DeviceType))
def test_every_emitted_flag_exists_in_the_engines_release_with_a_legal_value(device_type):
    checked = 0
    for model, kv_precision, knob in product(MODELS, (Precision.BF16, Precision.FP8), (True, False)):
        for engine in engines_for(model, device_type):
            where = Scenario(
                model=model,
                device=device(device_type=device_type),
                memory_bytes=80e9,
                engine=engine,
                workload=Workload(input_tokens=1000, output_tokens=100, concurrency=500),
            )
            row = default_candidate(engine, tensor_parallel=2, pipeline_parallel=1, concurrency=500, device=where.device)
            arguments, _ = started(where, replace(row, kv_precision=kv_precision, chunked_prefill=knob, prefix_caching=knob))
            illegal = {flag: value for flag, value in arguments.items() if not is_legal(engine.kind, flag, value)}
            assert not illegal, (engine.kind, model.model_id)
            checked += 1
    assert checked > 100


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LITELLM, EngineKind.LATENTBUD])
def test_flags_are_recorded_from_the_release_that_is_recommended(kind):
    assert recorded_version(kind) == VERSIONS[kind]
    assert all(row["source"] for row in rows("flags.csv"))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("scheduler-delay-factor", 0.5),  # V0 only
        ("max-num-seqs", "256"),
        ("max-num-seqs", True),
        ("block-size", 24),
        ("kv-cache-dtype", "int8"),
        ("tool-call-parser", "llama3"),  # SGLang's name
        ("no-max-num-seqs", True),
        ("", ""),
    ],
)
def test_what_vllm_would_refuse_is_not_legal(flag, value):
    assert not is_legal(EngineKind.VLLM, flag, value)


def test_every_parser_of_the_table_is_one_its_engine_has():
    for row in rows("architectures.csv"):
        for engine, column, flag in product(("vllm", "sglang"), ("tool", "reasoning"), ("tool-call-parser", "reasoning-parser")):
            name = row[f"{engine}_{column}"]
            if name and flag.startswith(column):
                assert is_legal(EngineKind(engine), flag, name), (row["architecture"], name)


def test_vllm_is_started_for_the_plan():
    row = candidate(concurrency=300, max_num_seqs=300, tensor_parallel=4, pipeline_parallel=2)
    arguments, envs = started(scenario(), row)
    assert arguments["max-num-seqs"] == 300
    assert (arguments["tensor-parallel-size"], arguments["pipeline-parallel-size"]) == (4, 2)
    assert arguments["max-model-len"] == 1210  # int(1.1 · (1000 + 100)), as memory was planned
    assert arguments["gpu-memory-utilization"] == 0.9
    assert arguments["kv-cache-dtype"] == "auto"
    assert "max-num-partial-prefills" not in arguments
    assert envs == {}


def test_a_step_holds_at_least_one_token_of_every_sequence():
    arguments, _ = started(scenario(), candidate(concurrency=4000, max_num_seqs=4000, max_num_batched_tokens=2048))
    assert arguments["max-num-batched-tokens"] == 4000


def test_the_context_is_never_longer_than_the_model_knows():
    model = replace(llama_8b(), max_context_length=1024)
    assert started(scenario(model=model), candidate())[0]["max-model-len"] == 1024


def test_a_cpu_engine_gets_its_cache_from_ram():
    where = scenario(on=device(device_type=DeviceType.CPU, memory_bytes=256e9))
    arguments, envs = started(where, candidate(), kv_bytes=39.2 * GIB)
    assert "gpu-memory-utilization" not in arguments
    assert envs["VLLM_CPU_KVCACHE_SPACE"] == "40"


def test_gaudi_cards_in_a_group_collect_lazily():
    where = scenario(on=device(device_type=DeviceType.HPU))
    arguments, envs = started(where, candidate(tensor_parallel=8, kv_precision=Precision.FP8))
    assert envs == {"PT_HPU_ENABLE_LAZY_COLLECTIVES": "true"}
    assert arguments["kv-cache-dtype"] == "fp8_inc"


def test_sglang_leaves_room_for_activations_outside_its_static_share():
    # 0.9 of 80 GB less 4 GB of activations and overhead: 68 GB of weights and cache, 0.85
    arguments, _ = started(scenario(engine=EngineKind.SGLANG), candidate(), working_bytes=4e9)
    assert arguments["mem-fraction-static"] == pytest.approx(0.85)


def test_weights_quantised_on_loading_are_asked_for():
    assert started(scenario(model=quantize(llama_8b(), "fp8")), candidate())[0]["quantization"] == "fp8"
    assert "quantization" not in started(scenario(), candidate())[0]


def test_an_embedding_server_pools_whole_prompts():
    model = llama_8b(kind=ModelKind.EMBEDDING)
    arguments, _ = started(scenario(model=model, input_tokens=9000), candidate(max_num_batched_tokens=2048))
    assert arguments["runner"] == "pooling"
    assert arguments["max-num-batched-tokens"] >= arguments["max-model-len"]
    assert "enable-prefix-caching" not in arguments


@pytest.mark.parametrize(
    ("kind", "on", "tokens"),
    [
        (EngineKind.VLLM, device(name="H100-SXM-80GB"), 8192),
        (EngineKind.VLLM, device(name="A100-SXM-80GB"), 2048),
        (EngineKind.VLLM, device(name="L40S-48GB", memory_bytes=48e9), 2048),
        (EngineKind.SGLANG, device(name="L40S-48GB", memory_bytes=48e9), 4096),
        (EngineKind.SGLANG, device(name="H100-SXM-80GB"), 8192),
        (EngineKind.SGLANG, device(name="B200-180GB", memory_bytes=190e9), 16_384),
    ],
)
def test_a_step_is_as_large_as_the_engine_makes_it_on_that_device(kind, on, tokens):
    engine = scenario(engine=kind).engine
    assert default_candidate(engine, tensor_parallel=1, pipeline_parallel=1, concurrency=1, device=on).max_num_batched_tokens == tokens


def test_legal_flags_know_both_engines_names_of_tensor_parallel():
    assert "tensor-parallel-size" in legal_flags(EngineKind.VLLM)
    assert "tp-size" in legal_flags(EngineKind.SGLANG)
