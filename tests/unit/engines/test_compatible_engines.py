"""Who runs what, where, and in which order."""

from dataclasses import replace

import pytest

from budsim.core.engines.compatibility import compatible_engines
from budsim.core.engines.families import family_of
from budsim.core.engines.images import VERSIONS, EngineImages
from budsim.core.engines.releases import release_of
from budsim.core.engines.spec import Endpoint, EngineKind
from budsim.core.errors import NoCompatibleEngine
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelKind, Quantization
from tests.support.physics_shapes import llama_8b, mixtral

ENCODER = replace(llama_8b(kind=ModelKind.ENCODER), model_id="BAAI/bge-m3", model_type="xlm-roberta", architectures=("XLMRobertaModel",))
HOSTED = replace(llama_8b(kind=ModelKind.PROPRIETARY), model_id="openai/gpt-5", architectures=(), blocks=())
EMBEDDING = replace(llama_8b(kind=ModelKind.EMBEDDING), model_id="Qwen/Qwen3-Embedding-8B", architectures=("Qwen3ForCausalLM",))


def kinds(model, device_type=DeviceType.CUDA, *, endpoints=(), parameters=10**9, images=None, restrict=()):
    found = compatible_engines(
        model, device_type, endpoints=endpoints, parameters=parameters, images=images or EngineImages(), restrict=restrict
    )
    assert [profile.preference for profile in found] == list(range(len(found)))
    return [profile.kind for profile in found]


@pytest.mark.parametrize(
    ("device_type", "expected"),
    [
        (DeviceType.CUDA, [EngineKind.SGLANG, EngineKind.VLLM]),
        (DeviceType.ROCM, [EngineKind.SGLANG, EngineKind.VLLM]),
        (DeviceType.HPU, [EngineKind.VLLM]),
        (DeviceType.CPU, [EngineKind.VLLM]),
    ],
)
def test_a_generating_model_runs_on_sglang_before_vllm_where_both_do(device_type, expected):
    assert kinds(llama_8b(), device_type, parameters=8 * 10**9) == expected


def test_a_small_embedding_model_goes_to_latentbud_first():
    assert kinds(EMBEDDING, parameters=5 * 10**9 - 1) == [EngineKind.LATENTBUD, EngineKind.VLLM]


def test_from_five_billion_parameters_vllm_comes_first():
    assert kinds(EMBEDDING, parameters=5 * 10**9) == [EngineKind.VLLM, EngineKind.LATENTBUD]


@pytest.mark.parametrize("endpoint", [Endpoint.EMBEDDING, Endpoint.RERANK])
def test_an_encoder_pools(endpoint):
    assert kinds(ENCODER, endpoints=(endpoint,)) == [EngineKind.LATENTBUD, EngineKind.VLLM]


def test_an_encoder_does_not_chat():
    with pytest.raises(NoCompatibleEngine, match="BAAI/bge-m3"):
        kinds(ENCODER, endpoints=(Endpoint.LLM,))


def test_a_hosted_model_goes_through_litellm_on_a_cpu():
    assert kinds(HOSTED, DeviceType.CPU) == [EngineKind.LITELLM]
    with pytest.raises(NoCompatibleEngine):
        kinds(HOSTED, DeviceType.CUDA)


def test_an_architecture_no_engine_has_is_refused_by_name():
    model = replace(llama_8b(), architectures=("T5ForConditionalGeneration",))
    with pytest.raises(NoCompatibleEngine, match="T5ForConditionalGeneration"):
        kinds(model)


def test_an_unlisted_causal_model_is_left_to_vllm():
    assert kinds(replace(llama_8b(), architectures=("BrandNewForCausalLM",))) == [EngineKind.VLLM]


def test_a_restriction_that_leaves_nothing_says_what_would_fit():
    with pytest.raises(NoCompatibleEngine) as caught:
        kinds(llama_8b(), restrict=(EngineKind.LATENTBUD,))
    assert caught.value.param == "engines"
    assert "sglang or vllm" in caught.value.remedy


def test_a_restriction_is_respected():
    assert kinds(llama_8b(), restrict=(EngineKind.VLLM,)) == [EngineKind.VLLM]


@pytest.mark.parametrize(
    ("model_id", "architecture", "engine", "tool", "reasoning"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "LlamaForCausalLM", EngineKind.VLLM, "llama3_json", None),
        ("meta-llama/Llama-3.1-8B-Instruct", "LlamaForCausalLM", EngineKind.SGLANG, "llama3", None),
        ("meta-llama/Llama-2-7b-hf", "LlamaForCausalLM", EngineKind.VLLM, None, None),
        ("Qwen/Qwen3-8B", "Qwen3ForCausalLM", EngineKind.VLLM, "hermes", "qwen3"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen3MoeForCausalLM", EngineKind.VLLM, "hermes", None),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "Qwen3MoeForCausalLM", EngineKind.SGLANG, "qwen3_coder", None),
        ("deepseek-ai/DeepSeek-R1-0528", "DeepseekV3ForCausalLM", EngineKind.VLLM, "deepseek_v3", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-V3", "DeepseekV3ForCausalLM", EngineKind.VLLM, "deepseek_v3", None),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "LlamaForCausalLM", EngineKind.SGLANG, None, "deepseek-r1"),
        ("openai/gpt-oss-120b", "GptOssForCausalLM", EngineKind.VLLM, "openai", "openai_gptoss"),
        ("openai/gpt-oss-120b", "GptOssForCausalLM", EngineKind.SGLANG, "gpt-oss", "gpt-oss"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "MistralForCausalLM", EngineKind.VLLM, "mistral", None),
        ("Qwen/Qwen3-4B-Thinking-2507", "Qwen3ForCausalLM", EngineKind.VLLM, "hermes", "deepseek_r1"),
        ("Qwen/Qwen3-4B-Thinking-2507", "Qwen3ForCausalLM", EngineKind.SGLANG, "qwen25", "qwen3-thinking"),
        ("moonshotai/Kimi-K2-Thinking", "DeepseekV3ForCausalLM", EngineKind.VLLM, "kimi_k2", "kimi_k2"),
        ("deepseek-ai/DeepSeek-V3.2", "DeepseekV32ForCausalLM", EngineKind.VLLM, "deepseek_v31", "deepseek_v3"),
        ("mistralai/Magistral-Small-2509", "MistralForCausalLM", EngineKind.SGLANG, "mistral", None),  # 0.5.9 has none of its own
    ],
)
def test_parsers_are_named_as_the_engine_names_them(model_id, architecture, engine, tool, reasoning):
    family = family_of(replace(llama_8b(), model_id=model_id, architectures=(architecture,)), release_of(engine, VERSIONS[engine]))
    assert (family.tool_parser, family.reasoning_parser) == (tool, reasoning)


def test_pipelines_and_adapters_are_named_where_they_exist():
    on_gpu = compatible_engines(mixtral(), DeviceType.CUDA, endpoints=(), parameters=47 * 10**9, images=EngineImages())[0]
    on_cpu = compatible_engines(mixtral(), DeviceType.CPU, endpoints=(), parameters=47 * 10**9, images=EngineImages())[0]
    assert (on_gpu.supports_lora, on_gpu.supports_pipeline_parallelism) == (True, True)
    assert (on_cpu.supports_lora, on_cpu.supports_pipeline_parallelism) == (False, False)


def test_a_parser_is_the_best_the_release_has():
    model = replace(llama_8b(), architectures=("DeepseekV32ForCausalLM",))
    assert family_of(model, release_of(EngineKind.VLLM, "0.33.0")).tool_parser == "deepseek_v32"
    assert family_of(model, release_of(EngineKind.VLLM, "0.8.5")).tool_parser is None


def test_an_older_release_lacks_the_architectures_that_came_later():
    model = replace(llama_8b(), model_type="gpt_oss", architectures=("GptOssForCausalLM",))
    assert kinds(model) == [EngineKind.SGLANG, EngineKind.VLLM]
    older = EngineImages(versions={"sglang": "0.4.9.post4"})
    assert kinds(model, images=older) == [EngineKind.VLLM]


@pytest.mark.parametrize(
    ("method", "device_type", "expected"),
    [
        ("nf4", DeviceType.CUDA, [EngineKind.SGLANG, EngineKind.VLLM]),
        ("nf4", DeviceType.ROCM, [EngineKind.SGLANG]),
        ("fp8", DeviceType.HPU, [EngineKind.VLLM]),
        ("awq", DeviceType.CPU, [EngineKind.VLLM]),
    ],
)
def test_a_format_of_weights_runs_where_the_engine_has_kernels_for_it(method, device_type, expected):
    assert kinds(quantize(llama_8b(), method), device_type) == expected


@pytest.mark.parametrize(
    ("method", "release", "expected"),
    [
        ("bitsandbytes", "0.15.1", [EngineKind.SGLANG, EngineKind.VLLM]),
        ("bitsandbytes", "0.33.0", [EngineKind.SGLANG]),  # whose source has no loader for it any more
        ("auto-round", "0.33.0", [EngineKind.SGLANG, EngineKind.VLLM]),  # by the name of inc
        ("torchao", "0.33.0", [EngineKind.VLLM]),
    ],
)
def test_a_format_is_loaded_where_the_release_names_it(method, release, expected):
    stored = replace(llama_8b(), quantization=Quantization(method=method, weight_bits=4, group_size=128))
    assert kinds(stored, images=EngineImages(versions={"vllm": release})) == expected


def test_a_format_no_engine_names_is_refused():
    with pytest.raises(NoCompatibleEngine, match="exl3"):
        kinds(replace(llama_8b(), quantization=Quantization(method="exl3", weight_bits=4)))


def test_a_format_without_kernels_is_refused_by_name():
    with pytest.raises(NoCompatibleEngine, match="fp8"):
        kinds(quantize(llama_8b(), "fp8"), DeviceType.CPU)


def test_a_profile_carries_the_version_its_arguments_are_for():
    found = compatible_engines(
        llama_8b(), DeviceType.CUDA, endpoints=(), parameters=1, images=EngineImages(images={"vllm": "registry/vllm:v0.10.2"})
    )
    assert {profile.kind: profile.version for profile in found} == {
        EngineKind.VLLM: "0.10.2",
        EngineKind.SGLANG: VERSIONS[EngineKind.SGLANG],
    }
