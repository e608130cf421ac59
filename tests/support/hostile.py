"""Requests and clusters nobody invented: from the wire models' fields, bent and broken."""

from typing import Any

from hypothesis import strategies as st

from topics.clusters import DeviceBody
from topics.simulation_requests import SimulationRequested

MODELS = ("meta-llama/Llama-3.1-8B-Instruct", "mistralai/Mixtral-8x7B-v0.1", "Qwen/Qwen3-30B-A3B", "nobody/knows-this")
NAMES = (
    "NVIDIA-H100-80GB-HBM3",
    "NVIDIA-L40S",
    "HL-225",
    "AMD-Instinct-MI300X",
    "Intel(R) Xeon(R) Platinum 8480+",
    "no such device",
    "é\u202e🤖",
)
TYPE_OF = dict(zip(NAMES, ("cuda", "cuda", "hpu", "rocm", "cpu_high"), strict=False))
TYPES = ("cuda", "rocm", "hpu", "cpu", "cpu_high", "gpu", "CUDA", "tpu", "")
NUMBERS = (0, 1, 2, 7, 8, 80, 1024, 10**5, 10**6, 10**7, 2**31, 2**63, 10**30, -1, 0.0, 1e-300, 0.5, 1e9, 1e300, 1.7e308)
WORDS = ("", "a", "x" * 255, "x" * 256, "🤖" * 80, "\u202e", "a|b", "../../etc/passwd", "'; DROP TABLE parts; --", "\ud7ff", "null")


def deep(levels: int) -> Any:
    """Return lists within lists."""
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


numbers = st.sampled_from(NUMBERS)
words = st.sampled_from(WORDS)
anything = st.one_of(
    st.none(), st.booleans(), numbers, words, st.integers(), st.text(max_size=20), st.just(deep(40)), st.just({"a": {"b": [{}]}})
)


def bent(good: st.SearchStrategy[dict[str, Any]], fields: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return good values of which up to three fields hold anything."""
    changes = st.dictionaries(st.sampled_from(fields), anything, max_size=3)
    return st.builds(lambda value, change: value | change, good, changes)


amounts = st.sampled_from((0, 1, 40, 80, 500, 1e6, 1e-300, 1e9))
counts = st.sampled_from((0, 1, 2, 4, 8, 8, 64, 10**5))
plain_devices = st.sampled_from(NAMES[:5]).flatmap(
    lambda name: st.fixed_dictionaries(
        {"name": st.just(name), "type": st.just(TYPE_OF[name]), "available_count": counts}, optional={"memory_gb": st.just(256)}
    )
)
good_devices = st.builds(
    lambda device, figures: device | figures,
    plain_devices,
    st.fixed_dictionaries(
        {},
        optional={
            "mem_per_GPU_in_GB": amounts,
            "sockets": st.sampled_from((1, 2, 64)),
            "cores": st.sampled_from((0, 1, 56, 10**6)),
            "utilized_cores": amounts,
            "utilized_memory_gb": amounts,
            "memory_allocated_gb": st.sampled_from((0, 1, 79.5, 80, 1e9)),
            "core_utilization_percent": st.sampled_from((0, 0.1, 100)),
            "device_uuid": words,
            "vendor": st.sampled_from(("nvidia", "amd", "intel", "acme")),
            "peak_fp16_TFLOPS": amounts,
            "peak_i8_TFLOPS": amounts,
            "hbm_bandwidth_in_GB_per_sec": amounts,
            "intra_node_bandwidth_in_GB_per_sec": amounts,
            "intra_node_min_message_latency": amounts,
            "inter_node_bandwidth_in_GB_per_sec": amounts,
        },
    ),
)
devices = st.one_of(plain_devices, plain_devices, good_devices, bent(plain_devices, list(DeviceBody.model_fields)))
ids = st.sampled_from(("n1", "n1", "n2", "x" * 255, "é|🤖"))
good_nodes = st.fixed_dictionaries(
    {"id": ids, "name": ids, "status": st.just(True), "devices": st.lists(devices, min_size=1, max_size=4)},
    optional={"is_master": st.booleans(), "schedulable": st.just(True), "interconnect": st.just("ib")},
)
good_clusters = st.fixed_dictionaries(
    {"id": st.sampled_from(("c1", "c1", "c2", "x" * 255, "c|d|🤖")), "nodes": st.lists(good_nodes, max_size=5)},
    optional={"version": st.just("🤖")},
)
clusters = st.one_of(good_clusters, bent(good_clusters, ["id", "nodes", "version"]))
good_requests = st.fixed_dictionaries(
    {
        "pretrained_model_uri": st.sampled_from(MODELS),
        "input_tokens": st.sampled_from((1, 2, 1024, 1024, 8192, 131_072, 10**7)),
        "output_tokens": st.sampled_from((1, 2, 256, 256, 8192, 10**7)),
        "concurrency": st.sampled_from((1, 3, 100, 1000, 10**5)),
        "clusters": st.lists(good_clusters, min_size=1, max_size=3),
    },
    optional={
        "request_rate": st.sampled_from((1e-9, 0.5, 10, 1e6)),
        "target_ttft": st.sampled_from((0, 1e-300, 500, 1e9)),
        "target_throughput_per_user": st.sampled_from((0, 1e-300, 20, 1e9)),
        "target_e2e_latency": st.sampled_from((0, 1e-300, 20, 1e9)),
        "hardware_mode": st.sampled_from(("dedicated", "shared")),
        "is_quantization": st.booleans(),
        "quantization_type": st.sampled_from(("fp8", "INT4", "awq", "nonsense")),
        "model_max_context_length": st.sampled_from((1, 4096, 10**7)),
        "model_endpoints": st.sampled_from(("LLM", "EMBEDDING", "LLM,RERANK", "NONSENSE")),
        "engines": st.lists(st.sampled_from(("vllm", "SGLang", "litellm", "latentbud")), min_size=1, max_size=4),
        "top_k": st.sampled_from((1, 5, 50)),
        "spread": st.booleans(),
        "seed": st.sampled_from((0, 2**32 - 1)),
        "min_slo_probability": st.sampled_from((0, 0.5, 1)),
        "usd_per_hour": st.dictionaries(st.sampled_from(("H100-SXM-80GB", "L40S-48GB", "x")), amounts, max_size=2),
        "simulation_method": st.sampled_from(("heuristic", "regressor")),
        "is_proprietary_model": st.booleans(),
        "notification_metadata": st.just({"workflow_id": "🤖", "subscriber_ids": ["a"], "extra": deep(20)}),
    },
)
requests = st.one_of(good_requests, bent(good_requests, list(SimulationRequested.model_fields)))
