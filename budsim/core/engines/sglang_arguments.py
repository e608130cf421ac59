"""How SGLang is started: the flags of its release, at the values that were planned."""

from typing import Any, Final

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.common_arguments import LORA_RANK, dtype_of, online_quantization, parsers
from budsim.core.engines.defaults import graph_sequences
from budsim.core.engines.flags import has_flag
from budsim.core.engines.releases import Release, release_of
from budsim.core.engines.spec import Scenario
from budsim.core.model.spec import Precision

WITHOUT_CHUNKS: Final = -1  # of chunked_prefill_size: prompts are not cut
CONSERVATIVENESS: Final = 1.0  # the default of schedule_conservativeness: what is reserved for the tokens still to come
GRAPH_FLAGS: Final = ("cuda-graph-max-bs", "cuda-graph-max-bs-decode")  # its name before and after decode and prefill were told apart


def sglang_arguments(scenario: Scenario, candidate: Candidate, *, static_share: float, max_loras: int) -> dict[str, Any]:
    """Return the arguments of `sglang.launch_server`.

    Args:
        scenario: Model, device, engine and load.
        candidate: The planned deployment.
        static_share: Share of a device's memory for weights and KV cache.
        max_loras: Adapters served at once; 0 = none.
    """
    release = release_of(scenario.engine.kind, scenario.engine.version)
    arguments: dict[str, Any] = {
        "model-path": scenario.model.model_id,
        "tp-size": candidate.tensor_parallel,
        "pp-size": candidate.pipeline_parallel,
        "max-running-requests": candidate.max_num_seqs,
        "chunked-prefill-size": candidate.max_num_batched_tokens if candidate.chunked_prefill else WITHOUT_CHUNKS,
        "context-length": scenario.context_tokens,
        "mem-fraction-static": round(static_share, 4),
        "dtype": dtype_of(scenario),
        "kv-cache-dtype": "fp8_e4m3" if candidate.kv_precision is Precision.FP8 else "auto",
        "schedule-conservativeness": CONSERVATIVENESS,
        **_graphs(scenario, candidate, release),
        **_groups(candidate),
        **parsers(scenario.engine, release),
        **online_quantization(scenario.model),
        **_adapters(max_loras, release),
    }
    if not candidate.prefix_caching:
        arguments["disable-radix-cache"] = True
    return arguments


def _graphs(scenario: Scenario, candidate: Candidate, release: Release) -> dict[str, int]:
    captured = graph_sequences(scenario.device, tensor_parallel=candidate.tensor_parallel)
    return {flag: captured for flag in GRAPH_FLAGS if has_flag(release, flag)}


def _groups(candidate: Candidate) -> dict[str, int]:
    sizes = {"dp-size": candidate.data_parallel, "ep-size": candidate.expert_parallel}
    return {flag: size for flag, size in sizes.items() if size > 1}


def _adapters(max_loras: int, release: Release) -> dict[str, Any]:
    """Return how adapters are allowed that come later: SGLang wants the rank and the modules when none is there at the start."""
    if not max_loras:
        return {}
    wanted = {"enable-lora": True, "max-loras-per-batch": max_loras, "max-lora-rank": LORA_RANK, "lora-target-modules": "all"}
    return {flag: value for flag, value in wanted.items() if has_flag(release, flag)}
