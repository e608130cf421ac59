"""What an engine prints when it starts: the KV cache it makes of its share of a device."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.elementwise import Figure, column, maximum, minimum, rounded_down, where
from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.defaults import started_share
from budsim.core.engines.releases import version_key
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import USABLE_SHARE, Fixed, fixed_bytes, visible_bytes
from budsim.core.memory.cache import sequence_bytes, token_bytes
from budsim.core.memory.fraction import static_fraction
from budsim.core.memory.profiling import profiling_of
from budsim.core.memory.stages import stage_share
from budsim.core.model.kv_cache import keeps_cache, kv_bytes_per_token
from budsim.core.units import GIB

_SGLANG_LOADED: Final = 0.2 * GIB  # beside the weights on each device of a group: «mem usage» of four SGLang start-ups


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """Columns of shape (n,), per device of the fullest stage.

    Attributes:
        fixed: What is taken before the KV cache is sized. [bytes]
        budget_bytes: Memory the engine may take. [bytes]
        kv_cache_bytes: KV cache of one device; negative where the engine would refuse to start. [bytes]
        kv_cache_tokens: Tokens the engine prints as its capacity.
        kv_bytes_per_token: Growth of one sequence by one token. [bytes]
        max_concurrency: Sequences of the given length that fit at once, a fraction as engines print it.
    """

    fixed: Fixed
    budget_bytes: FloatArray
    kv_cache_bytes: FloatArray
    kv_cache_tokens: FloatArray
    kv_bytes_per_token: FloatArray
    max_concurrency: FloatArray


def startup(scenario: Scenario, candidates: Candidates, *, share: FloatArray, length_tokens: int) -> Startup:
    """Return what the engine of a scenario would print for every candidate.

    Args:
        scenario: Model, device and engine; the load does not matter.
        candidates: Columns of shape (n,).
        share: gpu_memory_utilization of vLLM, mem_fraction_static of SGLang, shape (n,). [0…1]
        length_tokens: max_model_len. [tokens]

    Source:
        determine_available_memory of vLLM's gpu_worker.py; profile_max_num_token of SGLang's model_runner.py.
    """
    fixed = fixed_bytes(scenario, candidates)
    budget, cache = _cache_bytes(scenario, candidates, fixed=fixed, share=share)
    if not keeps_cache(scenario.model):
        cache = minimum(cache, 0.0)  # what is left stays free, what is missing is still missing
    held = maximum(cache, 0.0)
    sequence = sequence_bytes(scenario, candidates, float(length_tokens))
    concurrency = where(sequence > 0.0, held / maximum(sequence, 1.0), where(cache >= 0.0, candidates.max_num_seqs, 0))
    growth = kv_bytes_per_token(scenario.model, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes)
    count = len(candidates)
    return Startup(
        fixed=fixed,
        budget_bytes=column(budget, count),
        kv_cache_bytes=column(cache, count),
        kv_cache_tokens=column(_tokens(scenario, candidates, held=held, concurrency=concurrency, length_tokens=length_tokens), count),
        kv_bytes_per_token=column(stage_share(scenario.model, candidates, growth), count),
        max_concurrency=column(concurrency, count),
    )


def _cache_bytes(scenario: Scenario, candidates: Candidates, *, fixed: Fixed, share: FloatArray) -> tuple[Figure, Figure]:
    """Return the budget and what it leaves for the KV cache."""
    visible = visible_bytes(scenario)
    if scenario.device.device_type is DeviceType.CPU:
        return USABLE_SHARE * visible, USABLE_SHARE * visible - fixed.total_bytes
    if scenario.engine.kind is EngineKind.SGLANG:
        budget = share * (visible - fixed.non_torch_bytes)
        loaded = where(candidates.tensor_parallel > 1, _SGLANG_LOADED, 0.0)
        return budget, budget - fixed.weights_bytes - loaded
    budget = share * visible
    return budget, budget - fixed.total_bytes


def _tokens(scenario: Scenario, candidates: Candidates, *, held: Figure, concurrency: Figure, length_tokens: int) -> Figure:
    token = token_bytes(scenario, candidates)
    layouts = len({(block.attention.kind, block.attention.window) for block in scenario.model.blocks})
    if layouts > 1 and profiling_of(scenario.engine).tokens_by_concurrency:
        return rounded_down(concurrency * length_tokens)
    blocks = rounded_down(held / maximum(token * candidates.block_size, 1.0))
    return where(token > 0.0, blocks * candidates.block_size, 0.0)


def default_share(scenario: Scenario, candidates: Candidates) -> FloatArray:
    """Return the share an engine takes when it is told none, shape (n,)."""
    if scenario.device.device_type is DeviceType.CPU:
        return np.full(len(candidates), USABLE_SHARE)
    if scenario.engine.kind is not EngineKind.SGLANG:
        return np.full(len(candidates), started_share(scenario.engine.kind, version_key(scenario.engine.version)))
    return static_fraction(scenario, candidates)
