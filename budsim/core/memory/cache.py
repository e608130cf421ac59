"""KV cache as the engines lay it out: groups of layers, blocks, windows and states, for arrays of candidates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from budsim.core.elementwise import Figure, maximum, minimum, rounded_up, where
from budsim.core.engines.candidates import Rows
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.memory.profiling import profiling_of
from budsim.core.memory.stages import stage_share
from budsim.core.model.kv_cache import keeps_cache, kv_bytes_per_sequence, kv_bytes_per_token
from budsim.core.model.spec import AttentionKind, LayerBlock, ModelSpec
from budsim.core.remembered import remembered

UNEVEN: Final = 1.25  # vLLM pads the smaller kind up when the kinds differ by less (kv_cache_utils.py)
WINDOW_POOL: Final = 0.8  # SGLang: tokens of the window pool over those of the full one (swa_full_tokens_ratio)
BLOCK_STEP: Final = 16  # vLLM enlarges attention blocks in steps of 16 tokens until a page holds a state


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Layers that cache alike: all tokens, a window of them, or one state.

    Attributes:
        layers: Their number.
        alone: A model of one such layer.
        window: Tokens they keep; None = all.
        is_state: Whether they keep one state a sequence.
    """

    layers: int
    alone: ModelSpec
    window: int | None
    is_state: bool


def token_bytes(scenario: Scenario, rows: Rows) -> Figure:
    """Return what one token of the engine's printed capacity takes on one device. [bytes]

    Source:
        kv_cache_utils.py of vLLM: layers of each kind are cut into groups of equal size, the last one padded, and every group is counted
        as if it kept every token; pool_configurator.py of SGLang.
    """
    model, kinds = scenario.model, _kinds(scenario.model)
    if not keeps_cache(model) or not _keeps_windows(scenario, kinds):
        return stage_share(model, rows, _token_bytes(model, rows))
    if scenario.engine.kind is EngineKind.SGLANG:
        parts = (_token_bytes(kind.alone, rows) * (WINDOW_POOL if kind.window else 1.0) * kind.layers for kind in kinds)
        return stage_share(model, rows, sum(parts))
    size = _group_size(kinds)
    padded = sum(ceil(kind.layers / size) * size for kind in kinds)
    return stage_share(model, rows, padded * _page_token_bytes(kinds, rows))


def sequence_bytes(scenario: Scenario, rows: Rows, tokens: float) -> Figure:
    """Return what one sequence takes on one device, in whole blocks. [bytes]

    Args:
        scenario: Model, engine and device.
        rows: One candidate, or columns of them.
        tokens: Length of the sequence. [tokens]

    Source:
        max_memory_usage_bytes of vLLM's KV cache specs: a layer with a window holds it, and the step being computed, plus one block;
        a state is kept once more where prefixes are cached.
    """
    model, kinds = scenario.model, _kinds(scenario.model)
    if not keeps_cache(model):
        return 0.0
    if scenario.engine.kind is EngineKind.SGLANG or not _keeps_windows(scenario, kinds):
        return _plain_sequence_bytes(scenario, rows, tokens)
    size = _group_size(kinds)
    page = _page_token_bytes(kinds, rows)
    block = _block_tokens(kinds, rows, page)
    states = 1.0 + where(rows.prefix_caching, profiling_of(scenario.engine).checkpoints, 0.0)
    blocks = sum(ceil(kind.layers / size) * (states if kind.is_state else _blocks_held(kind, rows, tokens, block)) for kind in kinds)
    return stage_share(model, rows, size * page * block * blocks)


def _plain_sequence_bytes(scenario: Scenario, rows: Rows, tokens: float) -> Figure:
    length = rounded_up(tokens / rows.block_size) * rows.block_size
    shape = scenario.model if profiling_of(scenario.engine).windows_kept else _without_windows(scenario.model)
    return stage_share(scenario.model, rows, _sequence_bytes(shape, rows, length))


def _blocks_held(kind: Kind, rows: Rows, tokens: float, block: Figure) -> Figure:
    window = kind.window
    if not window:
        return rounded_up(tokens / block)
    held = minimum(window - 1 + rows.max_num_batched_tokens, tokens)
    return rounded_up(held / block) + 1.0


@remembered
def _kinds(model: ModelSpec) -> tuple[Kind, ...]:
    found: dict[tuple[AttentionKind, int | None], Kind] = {}
    for block in model.blocks:
        key = (block.attention.kind, block.attention.window)
        before = found.get(key)
        found[key] = Kind(
            layers=block.count + (before.layers if before else 0),
            alone=replace(model, blocks=(replace(block, count=1),)),
            window=block.attention.window,
            is_state=block.attention.kind is AttentionKind.STATE,
        )
    return tuple(found.values())


def _keeps_windows(scenario: Scenario, kinds: tuple[Kind, ...]) -> bool:
    """Return whether the engine lays kinds out apart; a state is always apart from what grows."""
    mixed = len(kinds) > 1
    return mixed and (profiling_of(scenario.engine).windows_kept or any(kind.is_state for kind in kinds))


def _group_size(kinds: tuple[Kind, ...]) -> int:
    least, most = min(kind.layers for kind in kinds), max(kind.layers for kind in kinds)
    return most if most < least * UNEVEN else least


def _page_token_bytes(kinds: tuple[Kind, ...], rows: Rows) -> Figure:
    widest: Figure = 0.0
    for kind in kinds:
        widest = maximum(widest, _token_bytes(kind.alone, rows))
    return widest


def _block_tokens(kinds: tuple[Kind, ...], rows: Rows, page: Figure) -> Figure:
    """Return the tokens of a block: enough for a state to fit a page."""
    block: Figure = 1.0 * rows.block_size
    for kind in kinds:
        if kind.is_state:
            state = _sequence_bytes(kind.alone, rows, 1.0)
            block = maximum(block, rounded_up(state / maximum(page, 1.0) / BLOCK_STEP) * BLOCK_STEP)
    return block


def _token_bytes(model: ModelSpec, rows: Rows) -> Figure:
    return kv_bytes_per_token(model, tensor_parallel=rows.tensor_parallel, bytes_per_value=rows.kv_width_bytes)


def _sequence_bytes(model: ModelSpec, rows: Rows, tokens: Figure) -> Figure:
    return kv_bytes_per_sequence(model, tokens=tokens, tensor_parallel=rows.tensor_parallel, bytes_per_value=rows.kv_width_bytes)


@remembered
def _without_windows(model: ModelSpec) -> ModelSpec:
    return replace(model, blocks=tuple(_unwindowed(model)))


def _unwindowed(model: ModelSpec) -> Iterator[LayerBlock]:
    for block in model.blocks:
        yield replace(block, attention=replace(block.attention, window=None))
