"""Parts, and a memory model and a predictor simple enough to work out by hand."""

from dataclasses import replace
from uuid import UUID, uuid5

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray, IntArray
from budsim.core.engines.images import VERSIONS
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.spec import Accelerator, DeviceType, HardwareGroup, HardwareMode, Link, NodeShare
from budsim.core.memory.plan import MemoryPlan
from budsim.core.model.spec import AttentionKind, AttentionSpec, FeedForwardSpec, LayerBlock, ModelKind, ModelSpec
from budsim.core.predictors.protocol import BOUND_CODES, Bound, Interval, Method, Predictions
from budsim.core.search.choice import PredictorSet
from budsim.core.search.part import BlacklistEntry, Part, Price, SearchSettings
from budsim.core.slo import Slo
from budsim.core.workload import Workload

GB = 1e9
NAMESPACE = UUID("6f1c3a52-7c0e-4a8f-9a35-0f8f5f7b2f10")


class FakeMemory:
    """16 GB of weights split over the replica, 1 GB of KV cache a user, 1 GB of overhead; 90 % of the memory is usable."""

    def __init__(self, *, weights_bytes: float = 16 * GB, kv_bytes_per_user: float = 1 * GB) -> None:
        self.weights_bytes = weights_bytes
        self.kv_bytes_per_user = kv_bytes_per_user
        self.calls = 0

    def plan(self, scenario: Scenario, candidates: Candidates) -> MemoryPlan:
        self.calls += 1
        split = candidates.devices
        weights = self.weights_bytes / split
        kv = self.kv_bytes_per_user * candidates.concurrency / split
        overhead = np.full(len(candidates), 1 * GB)
        total = weights + kv + overhead
        usable = np.full(len(candidates), 0.9 * scenario.memory_bytes)
        room = np.maximum(0.0, usable - weights - overhead)
        return MemoryPlan(
            weights_bytes=weights,
            kv_needed_bytes=kv,
            kv_capacity_bytes=room,
            activation_bytes=np.zeros(len(candidates)),
            overhead_bytes=overhead,
            total_bytes=total,
            usable_bytes=usable,
            fits=total <= usable,
            max_concurrency=(room * split / self.kv_bytes_per_user).astype(np.int64),
            kv_bytes_per_token=np.full(len(candidates), self.kv_bytes_per_user / scenario.workload.sequence_tokens),
        )


class FakePredictor:
    """TTFT = 0.1 s + 0.01 s a user ÷ TP; TPOT = 0.02 s ÷ TP + 0.0005 s a user; both × `slower`; 90 % within ×/÷ 1.25."""

    def __init__(
        self, *, method: Method = Method.HEURISTIC, version: str = "fake-1", saturated_above: int | None = None, slower: float = 1.0
    ) -> None:
        self._method = method
        self._version = version
        self._slower = slower
        self.saturated_above = saturated_above
        self.calls = 0

    @property
    def method(self) -> Method:
        return self._method

    @property
    def version(self) -> str:
        return self._version

    def predict(self, scenario: Scenario, candidates: Candidates) -> Predictions:
        self.calls += 1
        users, split = candidates.concurrency, candidates.tensor_parallel
        tpot = self._slower * (0.02 / split + 0.0005 * users)
        ttft = self._slower * (0.1 + 0.01 * users / split)
        if self.saturated_above is not None:
            ttft = np.where(users > self.saturated_above, np.inf, ttft)
        e2e = ttft + (scenario.workload.output_tokens - 1) * tpot
        return predictions(ttft_s=ttft, tpot_s=tpot, e2e_s=e2e, throughput_per_user=scenario.workload.output_tokens / e2e)


class FakeSets:
    """Model sets whose every version predicts with a predictor of its own."""

    def __init__(self, primary: PredictorSet, second: PredictorSet | None = None, *more: PredictorSet) -> None:
        self.primary = primary
        self.second = second
        self._known = {found.version: found for found in (*more, *([second] if second else []), primary)}

    def named(self, version: str) -> PredictorSet | None:
        return self._known.get(version)


def predictor_set(version: str, *, slower: float = 1.0, device_type: DeviceType = DeviceType.CUDA) -> PredictorSet:
    """Return a set with a predictor for vLLM on one device type."""
    regressor = FakePredictor(method=Method.REGRESSOR, version=version, slower=slower)
    return PredictorSet(version=version, predictors={(EngineKind.VLLM, device_type): regressor})


def predictions(
    *, ttft_s: FloatArray, e2e_s: FloatArray, throughput_per_user: FloatArray, tpot_s: FloatArray | None = None, spread: float = 1.25
) -> Predictions:
    """Return predictions whose 5 % and 95 % quantiles are the mean ÷ and × `spread`."""
    bound: IntArray = np.full(len(ttft_s), BOUND_CODES.index(Bound.BANDWIDTH), dtype=np.int64)
    return Predictions(
        ttft_s=ttft_s,
        tpot_s=e2e_s / 100.0 if tpot_s is None else tpot_s,
        e2e_s=e2e_s,
        throughput_per_user=throughput_per_user,
        bound=bound,
        ttft_interval_s=Interval(low=ttft_s / spread, high=ttft_s * spread),
        throughput_interval=Interval(low=throughput_per_user / spread, high=throughput_per_user * spread),
        e2e_interval_s=Interval(low=e2e_s / spread, high=e2e_s * spread),
    )


def make_model(*, query_heads: int = 32, kv_heads: int = 8, intermediate_size: int = 14_336, layers: int = 32) -> ModelSpec:
    """Return a dense decoder, in the shape of an 8B Llama unless told."""
    attention = AttentionSpec(kind=AttentionKind.GQA, query_heads=query_heads, kv_heads=kv_heads, head_dim=128, value_head_dim=128)
    block = LayerBlock(count=layers, attention=attention, feed_forward=FeedForwardSpec(intermediate_size=intermediate_size))
    return ModelSpec(
        model_id="org/model-8b",
        model_type="llama",
        architectures=("LlamaForCausalLM",),
        kind=ModelKind.DECODER,
        hidden_size=4096,
        vocab_size=128_256,
        blocks=(block,),
        tied_embeddings=False,
        max_context_length=131_072,
    )


def make_accelerator(*, memory_gb: int = 80, device_type: DeviceType = DeviceType.CUDA) -> Accelerator:
    """Return an accelerator of round figures."""
    return Accelerator(
        name=f"ACC-{memory_gb}GB",
        device_type=device_type,
        vendor="test",
        memory_bytes=memory_gb * GB,
        memory_class_gb=memory_gb,
        bandwidth_bytes_per_s=2e12,
        fp16_flop_per_s=3e14,
        intra_node=Link(bandwidth_bytes_per_s=3e11, latency_s=5e-6),
        inter_node=Link(bandwidth_bytes_per_s=2.5e10, latency_s=1e-5),
    )


def make_group(
    *,
    cluster_id: str = "c1",
    nodes: tuple[int, ...] = (8,),
    memory_gb: int = 80,
    mode: HardwareMode = HardwareMode.DEDICATED,
    device_type: DeviceType = DeviceType.CUDA,
) -> HardwareGroup:
    """Return a group with these many free devices on each node."""
    shares = tuple(NodeShare(node_id=f"n{index}", node_name=f"node-{index}", devices=count) for index, count in enumerate(nodes))
    accelerator = make_accelerator(memory_gb=memory_gb, device_type=device_type)
    return HardwareGroup(
        cluster_id=cluster_id,
        device_label=device_type.value,
        device_name=accelerator.name,
        accelerator=accelerator,
        mode=mode,
        memory_bytes=accelerator.memory_bytes,
        nodes=shares,
    )


def make_engine(kind: EngineKind = EngineKind.VLLM, *, preference: int = 0, pipeline: bool = True) -> EngineProfile:
    """Return a profile."""
    return EngineProfile(kind=kind, version=VERSIONS[kind], image="image", preference=preference, supports_pipeline_parallelism=pipeline)


def make_load(*, concurrency: int | None = 32, request_rate_per_s: float | None = None, output_tokens: int = 101) -> Workload:
    """Return 1,000 tokens in and 101 out, so that E2E = TTFT + 100 TPOT."""
    return Workload(input_tokens=1000, output_tokens=output_tokens, concurrency=concurrency, request_rate_per_s=request_rate_per_s)


def make_part(
    *,
    group: HardwareGroup | None = None,
    engine: EngineProfile | None = None,
    load: Workload | None = None,
    slo: Slo | None = None,
    usd_per_hour: float = 2.0,
    price_source: str = "request",
    top_k: int = 5,
) -> Part:
    """Return a part at $2 an hour and device."""
    group, engine = group or make_group(), engine or make_engine()
    name = f"{group.cluster_id}/{group.device_name}/{group.device_label}/{engine.kind}"
    return Part(
        part_id=str(uuid5(NAMESPACE, name)),
        workflow_id=str(NAMESPACE),
        model=make_model(),
        quantized=False,
        group=group,
        engine=engine,
        workload=load or make_load(),
        slo=slo or Slo(),
        price=Price(usd_per_hour=usd_per_hour, source=price_source),
        requested_method=Method.HEURISTIC,
        settings=SearchSettings(top_k=top_k),
        seed=1,
    )


def make_entry(part: Part, *, tensor_parallel: int = 1, pipeline_parallel: int = 1, memory_bytes: float = 50 * GB) -> BlacklistEntry:
    """Return an entry that concerns the part, barring one layout until t = 1,000 s."""
    return BlacklistEntry(
        config_id=str(uuid5(NAMESPACE, f"{part.part_id}/{tensor_parallel}/{pipeline_parallel}")),
        engine=part.engine.kind,
        model_id=part.model.model_id,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        memory_class_gb=part.group.accelerator.memory_class_gb,
        out_of_memory=False,
        memory_bytes=memory_bytes,
        reason="crashed",
        expires_at=1000.0,
    )


def as_out_of_memory(entry: BlacklistEntry) -> BlacklistEntry:
    """Return the entry as one that ran out of memory."""
    return replace(entry, out_of_memory=True, reason="CUDA out of memory")
