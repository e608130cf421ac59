"""Memory of runs that ran: as planned, unless that they ran shows that the plan is too narrow."""

from dataclasses import replace
from typing import Final

import numpy as np

from budsim.core.elementwise import Figure
from budsim.core.engines.candidates import Candidates, FloatArray, Rows
from budsim.core.engines.spec import Scenario
from budsim.core.latency.generations import runs_eagerly
from budsim.core.latency.scheduler import mean_context
from budsim.core.memory.plan import MemoryModel, MemoryPlan
from budsim.core.memory.stages import stage_share
from budsim.core.model.kv_cache import kv_bytes_per_sequence
from budsim.core.workload import LoadMode

TGI: Final = "tgi"
UNSURE: Final = 1.2  # a cache short by less than the plan may be wrong by is taken to have been there
# TGI admits a request with all the tokens it may ever take, and fills the device. Median over LLM-Pilot's runs in which users waited
# (CDLA-Permissive-2.0): cache that is left beside the weights, over the sequences that ran by Little's law. Reference code pads every
# sequence to the longest of its batch.
TGI_MEMORY_SHARE: Final = 0.95
TGI_RESERVED_TOKENS: Final = 1000.0
TGI_EAGER_RESERVED_TOKENS: Final = 3600.0


class MemoryOfWhatRan:
    """A memory model of measured runs.

    What is planned holds: of runs with more users than their cache holds, as many ran as were planned. Where there is no room for one
    sequence the server was given more memory than is planned with, and nobody knows how much: all users run.
    """

    def __init__(self, planned: MemoryModel) -> None:
        self._planned = planned

    def plan(self, scenario: Scenario, candidates: Candidates) -> MemoryPlan:
        """Return the plan of a run that is known to have run."""
        plan = self._planned.plan(scenario, candidates)
        if scenario.workload.mode is LoadMode.OPEN_LOOP:
            return plan
        if scenario.engine.served_by == TGI:
            return replace(plan, kv_capacity_bytes=_reserving(scenario, plan))
        whole = _sequence_bytes(scenario, candidates, float(scenario.workload.sequence_tokens))
        users = np.ceil(candidates.concurrency / candidates.data_parallel) + 1.0
        needed = users * _sequence_bytes(scenario, candidates, mean_context(scenario))
        is_short = (plan.kv_capacity_bytes >= whole) & (needed > UNSURE * plan.kv_capacity_bytes)
        return replace(plan, kv_capacity_bytes=np.where(is_short, plan.kv_capacity_bytes, np.maximum(needed, plan.kv_capacity_bytes)))


def _reserving(scenario: Scenario, plan: MemoryPlan) -> FloatArray:
    """Return the cache that TGI's sequences fill on average, shape (n,). [bytes]"""
    reserved = TGI_EAGER_RESERVED_TOKENS if runs_eagerly(TGI, scenario.model) else TGI_RESERVED_TOKENS
    left = np.maximum(0.0, TGI_MEMORY_SHARE * scenario.memory_bytes - plan.weights_bytes)
    return np.asarray(left * min(1.0, mean_context(scenario) / reserved))


def _sequence_bytes(scenario: Scenario, candidates: Rows, tokens: float) -> Figure:
    whole = kv_bytes_per_sequence(
        scenario.model, tokens=tokens, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    return stage_share(scenario.model, candidates, whole)
