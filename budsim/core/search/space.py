"""Layouts and concurrencies a part may have; with the knobs of engines/choices.py they are the candidate space, in genome.py."""

from collections.abc import Sequence
from math import ceil
from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, IntArray
from budsim.core.engines.choices import most_sequences
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType, HardwareMode
from budsim.core.hardware.topology import model_divides, valid_layouts
from budsim.core.model.partition import scales_divide
from budsim.core.model.spec import AttentionKind, LayerBlock, ModelSpec
from budsim.core.search.part import Layout, Part

MAX_SPLITS: Final = 16  # how many ways of dividing the target over replicas are tried, beyond the powers of two

_ONE_DEVICE: Final = Layout(tensor_parallel=1, pipeline_parallel=1)
_UNSPLIT_ENGINES: Final = frozenset({EngineKind.LITELLM, EngineKind.LATENTBUD})  # a proxy, and a server of small encoders


def layouts_for(part: Part) -> tuple[Layout, ...]:
    """Return the layouts that the topology, the model, the engine and the device allow, fewest devices first."""
    if not may_split(part):
        return (_ONE_DEVICE,) if part.group.total_devices > 0 else ()
    may_pipeline = part.engine.supports_pipeline_parallelism and part.group.accelerator.device_type is not DeviceType.CPU
    model = part.model  # beyond its heads and layers nothing divides, however many devices there are
    shapes = valid_layouts(part.group, max_tensor_parallel=model.query_heads, max_pipeline_parallel=model.layers if may_pipeline else 1)
    found = (Layout(tensor_parallel=shape.tensor_parallel, pipeline_parallel=shape.pipeline_parallel) for shape in shapes)
    allowed = {layout for layout in found if divides(model, layout)}
    return tuple(sorted(allowed, key=lambda layout: (layout.tensor_parallel * layout.pipeline_parallel, layout.pipeline_parallel)))


def may_split(part: Part) -> bool:
    """Return whether one replica may take several devices: whole ones, and an engine that can."""
    return part.group.mode is HardwareMode.DEDICATED and part.engine.kind not in _UNSPLIT_ENGINES


def scenario_of(part: Part) -> Scenario:
    """Return what all candidates of a part share."""
    group = part.group
    return Scenario(model=part.model, device=group.accelerator, memory_bytes=group.memory_bytes, engine=part.engine, workload=part.workload)


def divides(model: ModelSpec, layout: Layout) -> bool:
    """Return whether a model can be cut into this layout.

    Source:
        CONTRACT «Clusters»; vLLM and SGLang start only where TP divides query heads, KV heads (or they it) and feed-forward widths,
        and cuts no scale of quantised weights.
    """
    tensor, pipeline = layout.tensor_parallel, layout.pipeline_parallel
    whole = model_divides(query_heads=model.query_heads, layers=model.layers, tensor_parallel=tensor, pipeline_parallel=pipeline)
    return whole and all(_block_divides(block, tensor) and scales_divide(model, block, tensor) for block in model.blocks)


def concurrency_grid(part: Part, *, max_replicas: int) -> tuple[int, ...]:
    """Return the users one replica may be planned for, ascending.

    Powers of two, the whole target, and the target divided evenly over the replicas; the last division is the lightest load that still
    carries it. An arrival rate has no target before its latency is known: then only the powers of two.

    Args:
        part: Load and engine.
        max_replicas: Replicas the group holds.
    """
    limit = most_sequences(part.engine.kind)
    target = part.workload.concurrency if part.workload.request_rate_per_s is None else None
    powers = [2**exponent for exponent in range(limit.bit_length()) if 2**exponent <= min(limit, target or limit)]
    if target is None:
        return tuple(powers)
    replicas = {*range(1, min(max_replicas, MAX_SPLITS) + 1), max(1, max_replicas)}
    splits = {min(limit, ceil(target / count)) for count in replicas}
    return tuple(sorted({*powers, *splits}))


def replicas_held(part: Part, layout: Layout) -> int:
    """Return how many replicas of a layout the group's nodes hold."""
    return int(replicas_held_by(part, (layout,))[0])


def replicas_held_by(part: Part, layouts: Sequence[Layout]) -> IntArray:
    """Return how many replicas of each layout that engine and device allow the nodes hold, shape (layouts,): `max_replicas` of many."""
    degrees = np.array([(layout.tensor_parallel, layout.pipeline_parallel) for layout in layouts], dtype=np.int64).reshape(-1, 2)
    return _held(part, degrees[:, 0], degrees[:, 1])


def replicas_held_each(part: Part, candidates: Candidates) -> IntArray:
    """Return how many replicas of each candidate the group's nodes hold, shape (n,)."""
    return _held(part, candidates.tensor_parallel, candidates.pipeline_parallel)


def _held(part: Part, tensor_parallel: IntArray, pipeline_parallel: IntArray) -> IntArray:
    devices = np.array([node.devices for node in part.group.nodes], dtype=np.int64)
    degrees, where = np.unique(tensor_parallel, return_inverse=True)
    stages = (devices[:, None] // np.maximum(degrees, 1)).sum(axis=0)
    held = stages[where.reshape(-1)] // pipeline_parallel
    return np.asarray(np.where(pipeline_parallel <= np.count_nonzero(devices), held, 0), dtype=np.int64)


def _block_divides(block: LayerBlock, tensor_parallel: int) -> bool:
    attention, feed_forward = block.attention, block.feed_forward
    widths = (feed_forward.intermediate_size, feed_forward.expert_intermediate_size, feed_forward.shared_intermediate_size)
    if any(size % tensor_parallel for size in (attention.query_heads, *widths)):
        return False
    if attention.kind is not AttentionKind.GQA or not attention.kv_heads:
        return True
    return attention.kv_heads % tensor_parallel == 0 or tensor_parallel % attention.kv_heads == 0
