"""Parts of which nothing is left: why, with numbers, and what would help."""

from dataclasses import replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates
from budsim.core.memory.plan import MemoryPlan
from budsim.core.model.spec import ModelKind
from budsim.core.search.change import Change, in_words
from budsim.core.search.part import Part, PartResult, PartStatus
from budsim.core.units import bytes_to_gb

_SMALLER_MODEL: Final = "choose a smaller model, or a device with more memory: neither shorter requests nor 4-bit weights are enough"


def too_long(part: Part) -> PartResult | None:
    """Return the refusal of sequences longer than a generating model can attend to, or None."""
    model, workload = part.model, part.workload
    asked = workload.input_tokens + workload.output_tokens
    if model.kind is not ModelKind.DECODER or not 0 < model.max_context_length < asked:
        return None
    reason = (
        f"{model.model_id} attends to {model.max_context_length} tokens; "
        f"{workload.input_tokens} input + {workload.output_tokens} output tokens are {asked}"
    )
    return infeasible(
        part,
        reason,
        remedy=f"ask for at most {model.max_context_length} input and output tokens together, or a model with a longer context",
    )


def no_layout(part: Part) -> PartResult:
    """Return the refusal of a group on which no layout is valid."""
    group = part.group
    reason = (
        f"no tensor × pipeline layout of {part.model.model_id} is valid for {part.engine.kind} "
        f"on {group.total_devices} × {group.device_name} in {group.cluster_id}"
    )
    return infeasible(part, reason, remedy="offer at least one free, whole device of this type")


def nothing_fits(part: Part, candidates: Candidates, plan: MemoryPlan, *, changes: tuple[Change, ...]) -> PartResult:
    """Return the refusal of a part whose least hungry candidate is still too large."""
    least = int(np.argmin(plan.total_bytes - plan.usable_bytes))
    row = candidates.row(least)
    total, usable, weights = (bytes_to_gb(float(column[least])) for column in (plan.total_bytes, plan.usable_bytes, plan.weights_bytes))
    reason = (
        f"{part.model.model_id} needs {total:.1f} GB per device (weights {weights:.1f} GB) at TP={row.tensor_parallel}, "
        f"PP={row.pipeline_parallel} for {row.concurrency} user(s) of {part.workload.sequence_tokens} tokens; "
        f"{part.group.device_name} in {part.group.cluster_id} has {usable:.1f} GB usable"
    )
    return replace(infeasible(part, reason, remedy=in_words(changes) or _SMALLER_MODEL), changes=changes)


def infeasible(part: Part, reason: str, *, remedy: str) -> PartResult:
    """Return the result of a part that cannot be deployed."""
    return PartResult(part_id=part.part_id, status=PartStatus.INFEASIBLE, reason=reason, remedy=remedy)
