"""The smallest change that would make a part fit: a counterfactual, judged by the same memory model."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from budsim.core.engines.knobs import default_candidates
from budsim.core.memory.plan import MemoryModel
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelKind
from budsim.core.search.change import Change, ChangeKind, JudgedBy
from budsim.core.search.part import Layout, Part
from budsim.core.search.space import divides, layouts_for, may_split, scenario_of
from budsim.core.units import GB

SHORTER: Final = (0.75, 0.5, 0.25)  # shares of the asked lengths that are tried
QUANTIZATIONS: Final = ("fp8", "int4")  # from the gentlest on
LARGER_GROUPS: Final = (2, 4, 8, 16)  # devices on one node that are tried, TP over all of them
MEMORY_CLASSES_GB: Final = (16, 24, 32, 48, 64, 80, 96, 141, 192, 288)  # accelerators sold, data sheets of their vendors


def smallest_changes(part: Part, memory: MemoryModel) -> tuple[Change, ...]:
    """Return what to change so that one replica with one user fits: the least on this hardware, and the least of other hardware.

    Args:
        part: A part of which nothing fits.
        memory: Judges every proposal.
    """
    kinds = (_shorter(part, memory), _quantized(part, memory), _more_devices(part, memory), _larger(part, memory))
    return tuple(replace(change, judged_by=JudgedBy.MEMORY) for kind in kinds if (change := next(kind, None)))


def _shorter(part: Part, memory: MemoryModel) -> Iterator[Change]:
    for share in SHORTER:
        load = part.workload
        lengths = (max(1, int(load.input_tokens * share)), max(1, int(load.output_tokens * share)))
        workload = replace(load, input_tokens=lengths[0], output_tokens=lengths[1])
        layout = _fitting(replace(part, workload=workload), memory, layouts_for(part))
        if layout is not None:
            sentence = f"ask for {lengths[0]} input + {lengths[1]} output tokens or fewer (fits at {_words(layout)})"
            yield Change(kind=ChangeKind.TOKENS, asked=float(load.input_tokens), needed=float(lengths[0]), sentence=sentence)


def _quantized(part: Part, memory: MemoryModel) -> Iterator[Change]:
    if part.model.quantization is not None or part.model.kind is ModelKind.PROPRIETARY:
        return
    for method in QUANTIZATIONS:
        layout = _fitting(replace(part, model=quantize(part.model, method)), memory, layouts_for(part))
        if layout is not None:
            sentence = f"quantise the weights to {method} (fits at {_words(layout)})"
            yield Change(kind=ChangeKind.QUANTIZATION, weight_format=method, sentence=sentence)


def _more_devices(part: Part, memory: MemoryModel) -> Iterator[Change]:
    if not may_split(part):
        return
    for devices in LARGER_GROUPS:
        layout = Layout(tensor_parallel=devices, pipeline_parallel=1)
        if divides(part.model, layout) and _fitting(part, memory, (layout,)) is not None:
            sentence = f"offer {devices} × {part.group.device_name} free on one node (fits at {_words(layout)})"
            asked = float(part.group.total_devices)
            yield Change(kind=ChangeKind.DEVICES, asked=asked, needed=float(devices), per_node=devices, sentence=sentence)


def _larger(part: Part, memory: MemoryModel) -> Iterator[Change]:
    for size_gb in MEMORY_CLASSES_GB:
        size_bytes = float(size_gb * GB)
        if size_bytes > part.group.memory_bytes:
            accelerator = replace(part.group.accelerator, memory_bytes=size_bytes)
            group = replace(part.group, accelerator=accelerator, memory_bytes=size_bytes)
            layout = _fitting(replace(part, group=group), memory, layouts_for(part))
            if layout is not None:
                sentence = f"use devices of {size_gb} GB (fits at {_words(layout)})"
                yield Change(kind=ChangeKind.DEVICE_MEMORY, asked=part.group.memory_bytes, needed=size_bytes, sentence=sentence)


def _fitting(part: Part, memory: MemoryModel, layouts: tuple[Layout, ...]) -> Layout | None:
    """Return the first layout that fits one user."""
    if not layouts:
        return None
    scenario = scenario_of(part)
    rows = default_candidates(
        scenario,
        tensor_parallel=np.array([layout.tensor_parallel for layout in layouts], dtype=np.int64),
        pipeline_parallel=np.array([layout.pipeline_parallel for layout in layouts], dtype=np.int64),
        concurrency=np.ones(len(layouts), dtype=np.int64),
    )
    fits = memory.plan(scenario, rows).fits
    return layouts[int(fits.argmax())] if fits.any() else None


def _words(layout: Layout) -> str:
    return f"TP={layout.tensor_parallel}, PP={layout.pipeline_parallel}"
