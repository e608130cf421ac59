"""Memory of runs that ran: whoever measured a load had room for it."""

from dataclasses import replace

import numpy as np

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import Scenario
from budsim.core.memory.plan import MemoryModel, MemoryPlan
from budsim.core.memory.stages import stage_share
from budsim.core.model.kv_cache import kv_bytes_per_sequence
from budsim.core.workload import LoadMode


class RoomForWhatRan:
    """A memory model whose cache holds every user of a measured closed loop.

    A closed loop states its users, not the server's memory: which share it was given and how wide its cache was is seldom told, and a
    queue predicted for want of memory that the server had is wrong by a factor of ten. Open loops keep the planned capacity, for there
    it is what saturates.
    """

    def __init__(self, planned: MemoryModel) -> None:
        self._planned = planned

    def plan(self, scenario: Scenario, candidates: Candidates) -> MemoryPlan:
        """Return the plan, its cache at least what the users need."""
        plan = self._planned.plan(scenario, candidates)
        if scenario.workload.mode is LoadMode.OPEN_LOOP:
            return plan
        whole = kv_bytes_per_sequence(
            scenario.model,
            tokens=float(scenario.workload.sequence_tokens),
            tensor_parallel=candidates.tensor_parallel,
            bytes_per_value=candidates.kv_width_bytes,
        )
        users = np.ceil(candidates.concurrency / candidates.data_parallel) + 1.0
        return replace(plan, kv_capacity_bytes=np.maximum(plan.kv_capacity_bytes, users * stage_share(scenario.model, candidates, whole)))
