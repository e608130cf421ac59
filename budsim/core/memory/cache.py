"""KV cache as the engines lay it out: groups of layers, blocks, windows and states, for arrays of candidates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.memory.profiling import profiling_of
from budsim.core.memory.stages import stage_share
from budsim.core.model.kv_cache import keeps_cache, kv_bytes_per_sequence, kv_bytes_per_token
from budsim.core.model.spec import AttentionKind, LayerBlock, ModelSpec

UNEVEN: Final = 1.25  # vLLM pads the smaller kind up when the kinds differ by less (kv_cache_utils.py)
WINDOW_POOL: Final = 0.8  # SGLang: tokens of the window pool over those of the full one (swa_full_tokens_ratio)
BLOCK_STEP: Final = 16  # vLLM enlarges attention blocks in steps of 16 tokens until a page holds a state


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Layers that cache alike: all tokens, a window of them, or one state."""

    block: LayerBlock
    layers: int

    @property
    def is_state(self) -> bool:
        """Whether the layers keep one state a sequence."""
        return self.block.attention.kind is AttentionKind.STATE


def token_bytes(scenario: Scenario, candidates: Candidates) -> FloatArray:
    """Return what one token of the engine's printed capacity takes on one device, shape (n,). [bytes]

    Source:
        kv_cache_utils.py of vLLM: layers of each kind are cut into groups of equal size, the last one padded, and every group is counted
        as if it kept every token; pool_configurator.py of SGLang.
    """
    model = scenario.model
    kinds = _kinds(model)
    if not keeps_cache(model) or not _keeps_windows(scenario, kinds):
        return _plain_token_bytes(model, candidates)
    if scenario.engine.kind is EngineKind.SGLANG:
        parts = (
            _token_bytes_of(model, kind, candidates) * (WINDOW_POOL if kind.block.attention.window else 1.0) * kind.layers for kind in kinds
        )
        return stage_share(model, candidates, np.asarray(sum(parts)))
    size = _group_size(kinds)
    padded = sum(ceil(kind.layers / size) * size for kind in kinds)
    return stage_share(model, candidates, padded * _page_token_bytes(model, kinds, candidates))


def sequence_bytes(scenario: Scenario, candidates: Candidates, tokens: float) -> FloatArray:
    """Return what one sequence takes on one device, in whole blocks, shape (n,). [bytes]

    Args:
        scenario: Model, engine and device.
        candidates: Columns of shape (n,).
        tokens: Length of the sequence. [tokens]

    Source:
        max_memory_usage_bytes of vLLM's KV cache specs: a layer with a window holds it, and the step being computed, plus one block.
    """
    model = scenario.model
    kinds = _kinds(model)
    if not keeps_cache(model):
        return np.zeros(len(candidates))
    if scenario.engine.kind is EngineKind.SGLANG or not _keeps_windows(scenario, kinds):
        return _plain_sequence_bytes(scenario, candidates, tokens)
    size = _group_size(kinds)
    page = _page_token_bytes(model, kinds, candidates)
    block = _block_tokens(model, kinds, candidates, page)
    blocks = sum(ceil(kind.layers / size) * _blocks_held(kind, candidates, tokens, block) for kind in kinds)
    return stage_share(model, candidates, np.asarray(size * page * block * blocks))


def _plain_sequence_bytes(scenario: Scenario, candidates: Candidates, tokens: float) -> FloatArray:
    length = (np.ceil(tokens / candidates.block_size) * candidates.block_size).astype(np.float64)
    shape = scenario.model if profiling_of(scenario.engine).windows_kept else _without_windows(scenario.model)
    whole = kv_bytes_per_sequence(
        shape, tokens=length, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    return stage_share(scenario.model, candidates, whole)


def _blocks_held(kind: Kind, candidates: Candidates, tokens: float, block: FloatArray) -> FloatArray:
    if kind.is_state:
        return np.ones(len(candidates))
    window = kind.block.attention.window
    if not window:
        return np.asarray(np.ceil(tokens / block))
    held = np.minimum(window - 1 + candidates.max_num_batched_tokens, tokens)
    return np.asarray(np.ceil(held / block) + 1.0)


def _kinds(model: ModelSpec) -> tuple[Kind, ...]:
    found: dict[tuple[AttentionKind, int | None], Kind] = {}
    for block in model.blocks:
        key = (block.attention.kind, block.attention.window)
        before = found.get(key)
        found[key] = Kind(block=block, layers=block.count + (before.layers if before else 0))
    return tuple(found.values())


def _keeps_windows(scenario: Scenario, kinds: tuple[Kind, ...]) -> bool:
    """Return whether the engine lays kinds out apart; a state is always apart from what grows."""
    mixed = len(kinds) > 1
    return mixed and (profiling_of(scenario.engine).windows_kept or any(kind.is_state for kind in kinds))


def _group_size(kinds: tuple[Kind, ...]) -> int:
    least, most = min(kind.layers for kind in kinds), max(kind.layers for kind in kinds)
    return most if most < least * UNEVEN else least


def _page_token_bytes(model: ModelSpec, kinds: tuple[Kind, ...], candidates: Candidates) -> FloatArray:
    widest = np.zeros(len(candidates))
    for kind in kinds:
        widest = np.maximum(widest, _token_bytes_of(model, kind, candidates))
    return widest


def _block_tokens(model: ModelSpec, kinds: tuple[Kind, ...], candidates: Candidates, page: FloatArray) -> FloatArray:
    """Return the tokens of a block: enough for a state to fit a page."""
    block = candidates.block_size.astype(np.float64)
    for kind in kinds:
        if kind.is_state:
            state = kv_bytes_per_sequence(
                _only(model, kind), tokens=1.0, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
            )
            block = np.maximum(block, np.ceil(state / np.maximum(page, 1.0) / BLOCK_STEP) * BLOCK_STEP)
    return block


def _token_bytes_of(model: ModelSpec, kind: Kind, candidates: Candidates) -> FloatArray:
    return kv_bytes_per_token(_only(model, kind), tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes)


def _plain_token_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    whole = kv_bytes_per_token(model, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes)
    return stage_share(model, candidates, whole)


def _only(model: ModelSpec, kind: Kind) -> ModelSpec:
    return replace(model, blocks=(replace(kind.block, count=1),))


def _without_windows(model: ModelSpec) -> ModelSpec:
    return replace(model, blocks=tuple(_unwindowed(model)))


def _unwindowed(model: ModelSpec) -> Iterator[LayerBlock]:
    for block in model.blocks:
        yield replace(block, attention=replace(block.attention, window=None))
