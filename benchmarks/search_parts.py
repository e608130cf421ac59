"""Generated parts: models × devices × topologies × loads × SLOs, drawn from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from budsim.core.engines.images import VERSIONS
from budsim.core.engines.spec import EngineKind, EngineProfile
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import HardwareGroup, HardwareMode, NodeShare
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelSpec
from budsim.core.predictors.protocol import Method
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Part, Price, SearchSettings, SearchTask
from budsim.core.slo import Slo
from budsim.core.workload import Workload

NAMESPACE = UUID("0b8a6d4e-5a52-4f0e-9f5b-9d2a0a3f7c11")
MODELS = (
    "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-70B-Instruct",
    "meta-llama/Llama-3.1-405B-Instruct",
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "Qwen/Qwen2.5-32B-Instruct",
    "Qwen/Qwen3-8B",
    "google/gemma-2-27b-it",
    "deepseek-ai/DeepSeek-V3",
    "openai/gpt-oss-120b",
)
DEVICES = ("A100-SXM-80GB", "H100-SXM-80GB", "H200-SXM-141GB", "L40S-48GB", "MI300X-192GB", "L4-24GB")
ENGINES = (EngineKind.VLLM, EngineKind.SGLANG)
USD_PER_HOUR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Free devices of one model in one cluster."""

    cluster_id: str
    device: str
    nodes: tuple[int, ...]


def group_of(place: Place) -> HardwareGroup:
    accelerator = catalogue()[place.device]
    return HardwareGroup(
        cluster_id=place.cluster_id,
        device_label=accelerator.device_type.value,
        device_name=place.device,
        accelerator=accelerator,
        mode=HardwareMode.DEDICATED,
        memory_bytes=accelerator.memory_bytes,
        nodes=tuple(
            NodeShare(node_id=f"n{index}", node_name=f"node-{index}", devices=devices) for index, devices in enumerate(place.nodes)
        ),
    )


def part_of(place: Place, model: ModelSpec, *, engine: EngineKind, workload: Workload, slo: Slo, method: Method) -> Part:
    name = f"{place}/{model.model_id}/{engine}/{workload}/{slo}"
    return Part(
        part_id=str(uuid5(NAMESPACE, name)),
        workflow_id=str(NAMESPACE),
        model=model,
        quantized=False,
        group=group_of(place),
        engine=EngineProfile(kind=engine, version=VERSIONS[engine], image="", preference=0, supports_pipeline_parallelism=True),
        workload=workload,
        slo=slo,
        price=Price(usd_per_hour=USD_PER_HOUR, source="request"),
        requested_method=method,
        settings=SearchSettings(),
        seed=int.from_bytes(uuid5(NAMESPACE, name).bytes[:4], "big"),
    )


def generated_tasks(count: int, *, seed: int, method: Method) -> Iterator[SearchTask]:
    """Yield parts of which something fits, narrowed as the evaluate stage does."""
    drawn, memory = random.Random(seed), AnalyticMemory()
    while count:
        task = narrow(_part(drawn, method), (), memory, now_s=0.0)
        if isinstance(task, SearchTask):
            count -= 1
            yield task


def _part(drawn: random.Random, method: Method) -> Part:
    model = catalogue_model(drawn.choice(MODELS))
    if model is None:
        raise SystemExit("a model of the benchmark is not in the catalogue")
    quantized = model.quantization is None and drawn.random() < 0.3
    place = Place(
        cluster_id="c",
        device=drawn.choice(DEVICES),
        nodes=tuple(drawn.choice((1, 2, 4, 8, 8, 8)) for _ in range(drawn.choice((1, 2, 4, 8, 16, 32)))),
    )
    workload = Workload(
        input_tokens=drawn.choice((128, 512, 1000, 2000, 4000, 8000)),
        output_tokens=drawn.choice((64, 128, 256, 512, 1024)),
        concurrency=None if drawn.random() < 0.2 else int(10 ** drawn.uniform(0.0, 3.3)),
        request_rate_per_s=None,
    )
    if workload.concurrency is None:
        workload = replace(workload, request_rate_per_s=10 ** drawn.uniform(-1.0, 1.5))
    part = part_of(
        place,
        quantize(model, drawn.choice(("fp8", "int4"))) if quantized else model,
        engine=drawn.choice(ENGINES),
        workload=workload,
        slo=_slo(drawn, workload),
        method=method,
    )
    return replace(part, quantized=quantized)


def _slo(drawn: random.Random, workload: Workload) -> Slo:
    """Return targets from lax to unreachable, each set in two of three parts."""
    tpot_s = 10 ** drawn.uniform(-2.2, -0.9)
    return Slo(
        ttft_s=10 ** drawn.uniform(-0.8, 0.8) if drawn.random() < 0.67 else None,
        throughput_per_user=0.8 / tpot_s if drawn.random() < 0.67 else None,
        e2e_s=1.5 * tpot_s * workload.output_tokens + 1.0 if drawn.random() < 0.33 else None,
        min_probability=drawn.choice((0.5, 0.5, 0.5, 0.9)),
    )
