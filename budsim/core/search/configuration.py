"""A judged candidate as a value: its identity, figures and memory."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import floor
from typing import Final
from uuid import UUID, uuid5

import numpy as np

from budsim.core.engines.candidates import Candidate, Candidates, IntArray
from budsim.core.hardware.visible import visible_share
from budsim.core.memory.plan import MemoryPlan
from budsim.core.predictors.protocol import BOUND_CODES, Interval, Predictions
from budsim.core.search.columns import joined, take
from budsim.core.search.fitness import Fitness, slo_probability
from budsim.core.search.part import BoundShare, Configuration, MemoryBreakdown, Part, Range

LEAST_UTILIZATION: Final = 0.05  # below it vLLM finds no room for its own start-up
MOST_UTILIZATION: Final = 0.95  # CONTRACT «Memory, cost»: the share of the memory a plan may ever count on


_NAMES: Final = tuple(sorted(field.name for field in fields(Candidate)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Candidates of one part with all that was found about them, row by row."""

    candidates: Candidates
    plan: MemoryPlan
    predictions: Predictions
    fitness: Fitness


def together(found: Sequence[Judged], where: IntArray) -> Judged:
    """Return all rows, one table below the other, in the order of these indices."""
    return Judged(
        candidates=joined([each.candidates for each in found]).take(where),
        plan=take(joined([each.plan for each in found]), where),
        predictions=take(joined([each.predictions for each in found]), where),
        fitness=take(joined([each.fitness for each in found]), where),
    )


def config_id(part_id: str, candidate: Candidate) -> str:
    """Return the identity of a candidate within its part: the same whenever and wherever it is found."""
    return str(uuid5(UUID(part_id), json.dumps({name: getattr(candidate, name) for name in _NAMES})))


def configuration(part: Part, judged: Judged, index: int) -> Configuration:
    """Return one judged row as a value."""
    candidate, predictions, fitness = judged.candidates.row(index), judged.predictions, judged.fitness
    return Configuration(
        config_id=config_id(part.part_id, candidate),
        candidate=candidate,
        replicas=int(fitness.replicas[index]),
        ttft_s=float(predictions.ttft_s[index]),
        tpot_s=float(predictions.tpot_s[index]),
        e2e_s=float(predictions.e2e_s[index]),
        throughput_per_user=float(predictions.throughput_per_user[index]),
        ttft_range_s=_range(predictions.ttft_interval_s, index),
        throughput_range=_range(predictions.throughput_interval, index),
        e2e_range_s=_range(predictions.e2e_interval_s, index),
        error_rate=float(fitness.error_rate[index]),
        meets_slo=bool(fitness.meets_slo[index]),
        slo_probability=float(slo_probability(part.slo, take(predictions, np.array([index])))[0]),
        cost_per_million_tokens=float(fitness.cost_per_million_tokens[index]),
        bound=BOUND_CODES[int(predictions.bound[index])],
        memory=_memory(part, judged.plan, index),
        shares=_shares(predictions, index),
    )


def gpu_memory_utilization(*, total_bytes: float, usable_bytes: float, device_bytes: float) -> float:
    """Return the share of a device's memory its engine is told to take: all that is usable, never less than the plan needs.

    Args:
        total_bytes: What the plan needs. [bytes]
        usable_bytes: What it may use. [bytes]
        device_bytes: The whole device as its driver reports it, slices included. [bytes]
    """
    share = max(floor(1e4 * usable_bytes / device_bytes) / 1e4, total_bytes / device_bytes)
    return min(MOST_UTILIZATION, max(LEAST_UTILIZATION, share))


def _range(interval: Interval, index: int) -> Range:
    return Range(low=float(interval.low[index]), high=float(interval.high[index]))


def _shares(predictions: Predictions, index: int) -> tuple[BoundShare, ...]:
    if predictions.shares is None:
        return ()
    named = zip(BOUND_CODES, predictions.shares[index].tolist(), strict=True)
    return tuple(BoundShare(bound=bound, share=share) for bound, share in sorted(named, key=lambda item: -item[1]) if share > 0.0)


def _memory(part: Part, plan: MemoryPlan, index: int) -> MemoryBreakdown:
    total, usable = float(plan.total_bytes[index]), float(plan.usable_bytes[index])
    return MemoryBreakdown(
        weights_bytes=float(plan.weights_bytes[index]),
        kv_cache_bytes=float(plan.kv_needed_bytes[index]),
        activation_bytes=float(plan.activation_bytes[index]),
        overhead_bytes=float(plan.overhead_bytes[index]),
        total_bytes=total,
        usable_bytes=usable,
        gpu_memory_utilization=gpu_memory_utilization(
            total_bytes=total,
            usable_bytes=usable,
            # the catalogue knows no memory of a CPU
            device_bytes=visible_share(part.group.accelerator) * max(part.group.accelerator.memory_bytes, part.group.memory_bytes),
        ),
    )
