"""What an engine is started with: the plan it was made for, in the words of its release."""

from dataclasses import replace
from itertools import product

import pytest

from budsim.core.engines.arguments import PlannedMemory, engine_arguments
from budsim.core.engines.candidates import Candidates
from budsim.core.engines.flags import is_legal
from budsim.core.engines.knobs import default_candidate
from budsim.core.engines.releases import recorded_releases
from budsim.core.engines.spec import EngineKind
from budsim.core.engines.tables import rows
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelKind, Precision
from tests.support.physics_shapes import candidate, device, llama_8b, scenario

GIB = 2**30


def started(where, row, *, utilization=0.9, kv_bytes=10 * GIB, working_bytes=0.0, max_loras=0):
    memory = PlannedMemory(gpu_memory_utilization=utilization, kv_bytes=kv_bytes, working_bytes=working_bytes)
    return engine_arguments(where, row, memory=memory, max_loras=max_loras)


def at(where, version, **profile):
    return replace(where, engine=replace(where.engine, version=version, **profile))


def test_every_parser_of_the_table_is_one_some_release_of_its_engine_has():
    for row, kind in product(rows("architectures.csv"), (EngineKind.VLLM, EngineKind.SGLANG)):
        for column, flag in (("tool", "tool-call-parser"), ("reasoning", "reasoning-parser")):
            for name in filter(None, row[f"{kind}_{column}"].split("|")):
                assert any(is_legal(release, flag, name) for release in recorded_releases(kind)), (row["architecture"], name)


def test_every_row_of_the_table_of_architectures_names_its_sources():
    known = {row["source"] for row in rows("architecture_sources.csv")}
    assert all(set(row["source"].split()) <= known and row["source"] for row in rows("architectures.csv"))


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


def test_a_prompt_that_is_not_cut_fits_in_one_step():
    # vLLM refuses to start where max_num_batched_tokens < max_model_len without chunked prefill
    arguments, _ = started(scenario(input_tokens=9000), replace(candidate(max_num_batched_tokens=2048), chunked_prefill=False))
    assert arguments["max-num-batched-tokens"] == arguments["max-model-len"] == 10_010


def test_a_delay_of_the_scheduler_starts_v0_where_it_is_there_and_nothing_elsewhere():
    row = replace(candidate(), scheduler_delay_factor=0.5)
    arguments, envs = started(at(scenario(), "0.10.2"), row)
    assert (arguments["scheduler-delay-factor"], envs["VLLM_USE_V1"]) == (0.5, "0")
    arguments, envs = started(at(scenario(), "0.11.2"), row)
    assert "scheduler-delay-factor" not in arguments
    assert "VLLM_USE_V1" not in envs


@pytest.mark.parametrize(
    ("version", "architecture", "expected"),
    [
        ("0.8.5", "BertModel", {"task": "embed"}),
        ("0.8.5", "BertForSequenceClassification", {"task": "score"}),
        ("0.10.2", "BertModel", {"runner": "pooling"}),
        ("0.33.0", "BertForSequenceClassification", {"runner": "pooling"}),
    ],
)
def test_pooling_is_asked_for_in_the_words_of_the_release(version, architecture, expected):
    model = replace(llama_8b(kind=ModelKind.ENCODER), architectures=(architecture,))
    arguments, _ = started(at(scenario(model=model), version), candidate())
    assert {name: arguments[name] for name in ("task", "runner") if name in arguments} == expected


def test_parsers_the_release_lacks_are_left_out():
    named = {"tool_calling_parser": "hermes", "reasoning_parser": "qwen3"}
    arguments, _ = started(at(scenario(), "0.8.5", **named), candidate())
    assert arguments["tool-call-parser"] == "hermes"
    assert "reasoning-parser" not in arguments
    assert started(at(scenario(), "0.11.2", **named), candidate())[0]["reasoning-parser"] == "qwen3"


def test_reasoning_was_switched_on_apart_from_its_parser_at_first():
    named = {"reasoning_parser": "deepseek_r1"}
    assert started(at(scenario(), "0.8.5", **named), candidate())[0]["enable-reasoning"] is True
    assert "enable-reasoning" not in started(at(scenario(), "0.11.2", **named), candidate())[0]


def test_v0_takes_chunked_prefill_as_a_word():
    assert started(at(scenario(), "0.7.3"), replace(candidate(), chunked_prefill=False))[0]["enable-chunked-prefill"] == "False"
    assert started(at(scenario(), "0.11.2"), replace(candidate(), chunked_prefill=False))[0]["no-enable-chunked-prefill"] is True


@pytest.mark.parametrize(
    ("on", "dtype"),
    [(catalogue()["V100-SXM-32GB"], "float16"), (catalogue()["T4-16GB"], "float16"), (catalogue()["A100-SXM-80GB"], "bfloat16")],
)
def test_a_device_without_bfloat16_computes_in_float16(on, dtype):
    assert started(scenario(on=on), candidate())[0]["dtype"] == dtype
    assert started(scenario(on=on, engine=EngineKind.SGLANG), candidate())[0]["dtype"] == dtype


def test_gaudi_computes_in_bfloat16_whatever_the_checkpoint_is():
    where = scenario(on=device(device_type=DeviceType.HPU), model=replace(llama_8b(), precision=Precision.FP16))
    assert started(where, candidate())[0]["dtype"] == "bfloat16"


@pytest.mark.parametrize(("name", "envs"), [("MI300X-192GB", {"VLLM_ROCM_USE_AITER": "1"}), ("MI210-64GB", {})])
def test_amds_kernels_are_switched_on_where_they_are_made_for(name, envs):
    assert started(scenario(on=catalogue()[name]), candidate())[1] == envs


def test_a_cpu_keeps_a_core_for_the_server_where_the_release_can():
    where = scenario(on=device(device_type=DeviceType.CPU, memory_bytes=256e9))
    assert started(at(where, "0.10.2"), candidate())[1]["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "1"
    assert "VLLM_CPU_NUM_OF_RESERVED_CPU" not in started(at(where, "0.8.5"), candidate())[1]


def test_a_cpu_keeps_its_cache_in_the_models_own_dtype():
    where = scenario(on=device(device_type=DeviceType.CPU, memory_bytes=256e9))
    assert started(where, candidate(kv_precision=Precision.FP8))[0]["kv-cache-dtype"] == "auto"


def test_adapters_are_allowed_for_when_they_are_planned():
    on_vllm, _ = started(scenario(), candidate(), max_loras=3)
    assert (on_vllm["enable-lora"], on_vllm["max-loras"], on_vllm["max-lora-rank"]) == (True, 3, 256)
    on_sglang, _ = started(scenario(engine=EngineKind.SGLANG), candidate(), max_loras=3)
    assert (on_sglang["max-loras-per-batch"], on_sglang["max-lora-rank"], on_sglang["lora-target-modules"]) == (3, 256, "all")
    assert "enable-lora" not in started(scenario(), candidate())[0]


def test_sglang_captures_graphs_under_the_name_of_its_release():
    where = scenario(engine=EngineKind.SGLANG, on=catalogue()["H100-SXM-80GB"])
    assert started(where, candidate())[0]["cuda-graph-max-bs"] == 256
    later = started(at(where, "0.5.23"), candidate())[0]
    assert "cuda-graph-max-bs" not in later
    assert later["cuda-graph-max-bs-decode"] == 256


def test_latentbud_is_told_its_device():
    assert started(scenario(engine=EngineKind.LATENTBUD), candidate(concurrency=8))[0]["device"] == "cuda"
    on_gaudi = scenario(engine=EngineKind.LATENTBUD, on=device(device_type=DeviceType.HPU))
    assert started(on_gaudi, candidate())[0]["device"] == "auto"


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.SGLANG])
@pytest.mark.parametrize("users", [1, 200, 900])
def test_what_memory_was_planned_for_is_what_the_engine_is_told(kind, users):
    where = scenario(engine=kind, on=catalogue()["H100-SXM-80GB"])
    row = default_candidate(where, tensor_parallel=2, pipeline_parallel=1, concurrency=users)
    plan = AnalyticMemory().plan(where, Candidates.from_rows([row]))
    arguments, _ = started(where, row, working_bytes=float(plan.activation_bytes[0] + plan.overhead_bytes[0]))
    assert arguments["max-num-seqs" if kind is EngineKind.VLLM else "max-running-requests"] >= users
    assert arguments["max-model-len" if kind is EngineKind.VLLM else "context-length"] == where.workload.sequence_tokens
    share = arguments.get("gpu-memory-utilization") or arguments["mem-fraction-static"]
    least = plan.total_bytes[0] if kind is EngineKind.VLLM else plan.weights_bytes[0] + plan.kv_needed_bytes[0]
    assert not plan.fits[0] or share * where.memory_bytes >= least
