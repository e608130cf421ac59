"""Published shapes and round devices, so that physics can be worked out by hand."""

from dataclasses import replace

from budsim.core.engines.candidates import Candidate, Candidates
from budsim.core.engines.images import VERSIONS
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.spec import Accelerator, DeviceType, Link
from budsim.core.latency.case import Case
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.overheads import Overheads
from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, ModelSpec, Precision
from budsim.core.workload import Workload

# a device that reaches its peaks and an engine that costs nothing: what is left is the roofline
IDEAL = Efficiency(
    compute=1.0,
    compute_8bit=1.0,
    compute_4bit=1.0,
    bandwidth=1.0,
    expert_compute=1.0,
    expert_bandwidth=1.0,
    attention_compute=1.0,
    attention_bandwidth=1.0,
    reduce_bandwidth=1.0,
    passes=0.0,
    routed_passes=0.0,
    per_layer_s=0.0,
    per_routed_layer_s=0.0,
    per_folded_layer_s=0.0,
    per_reduce_s=0.0,
    per_chunk_layer_s=0.0,
)
FREE = Overheads(per_step_s=0.0, per_sequence_s=0.0, per_request_s=0.0, per_user_s=0.0, start_burst=0.0, prefill_apart=0.0)


def gqa(*, query_heads: int = 32, kv_heads: int = 8, head_dim: int = 128, window: int | None = None) -> AttentionSpec:
    return AttentionSpec(
        kind=AttentionKind.GQA, query_heads=query_heads, kv_heads=kv_heads, head_dim=head_dim, value_head_dim=head_dim, window=window
    )


def llama_8b(*, kind: ModelKind = ModelKind.DECODER, layers: int = 32) -> ModelSpec:
    """Return meta-llama/Llama-3.1-8B."""
    return ModelSpec(
        model_id="meta-llama/Llama-3.1-8B",
        model_type="llama",
        architectures=("LlamaForCausalLM",),
        kind=kind,
        hidden_size=4096,
        vocab_size=128_256,
        blocks=(LayerBlock(count=layers, attention=gqa(), feed_forward=FeedForwardSpec(intermediate_size=14_336)),),
        tied_embeddings=False,
        max_context_length=131_072,
    )


def mixtral() -> ModelSpec:
    """Return mistralai/Mixtral-8x7B-v0.1."""
    experts = FeedForwardSpec(intermediate_size=0, experts=8, experts_per_token=2, expert_intermediate_size=14_336)
    return replace(
        llama_8b(),
        model_id="mistralai/Mixtral-8x7B-v0.1",
        model_type="mixtral",
        architectures=("MixtralForCausalLM",),
        vocab_size=32_000,
        blocks=(LayerBlock(count=32, attention=gqa(), feed_forward=experts),),
    )


def device(
    *,
    device_type: DeviceType = DeviceType.CUDA,
    memory_bytes: float = 80e9,
    bandwidth_bytes_per_s: float = 2.039e12,
    fp16_flop_per_s: float = 312e12,
    name: str = "A100",
) -> Accelerator:
    """Return a device with the figures of an A100 of 80 GB, its links rounded."""
    return Accelerator(
        name=name,
        device_type=device_type,
        vendor="NVIDIA",
        memory_bytes=memory_bytes,
        memory_class_gb=80,
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
        fp16_flop_per_s=fp16_flop_per_s,
        intra_node=Link(bandwidth_bytes_per_s=3e11, latency_s=5e-6),
        inter_node=Link(bandwidth_bytes_per_s=2.5e10, latency_s=1e-5),
    )


def scenario(
    *,
    model: ModelSpec | None = None,
    on: Accelerator | None = None,
    engine: EngineKind = EngineKind.VLLM,
    input_tokens: int = 1000,
    output_tokens: int = 100,
) -> Scenario:
    """Return 1,000 tokens in and 100 out of Llama-3.1-8B on vLLM and an A100, unless told otherwise."""
    accelerator = on or device()
    return Scenario(
        model=model or llama_8b(),
        device=accelerator,
        memory_bytes=accelerator.memory_bytes,
        engine=EngineProfile(kind=engine, version=VERSIONS[engine], image="image", preference=0),
        workload=Workload(input_tokens=input_tokens, output_tokens=output_tokens, concurrency=1),
    )


def candidate(
    *,
    concurrency: int = 1,
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    data_parallel: int = 1,
    expert_parallel: int = 1,
    max_num_seqs: int = 256,
    max_num_batched_tokens: int = 8192,
    block_size: int = 16,
    kv_precision: Precision = Precision.BF16,
) -> Candidate:
    return Candidate(
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        concurrency=concurrency,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        block_size=block_size,
        chunked_prefill=True,
        prefix_caching=True,
        kv_precision=kv_precision,
        data_parallel=data_parallel,
        expert_parallel=expert_parallel,
    )


def ideal(where: Scenario, *rows: Candidate) -> Case:
    """Return the candidates on an ideal device and engine."""
    return Case(scenario=where, candidates=Candidates.from_rows(rows), efficiency=IDEAL, overheads=FREE)
