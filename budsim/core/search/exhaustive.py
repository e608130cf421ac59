"""Exhaustive search: the whole candidate space in one batch."""

from dataclasses import replace
from typing import Final

import numpy as np

from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.batch import admitted, one_batch, refusal
from budsim.core.search.genome import space_of
from budsim.core.search.part import PartResult, SearchTask, Way

SEARCH_NAME: Final = Way.EXHAUSTIVE.value


def exhaustive_search(task: SearchTask, predictor: Predictor, memory: MemoryModel) -> PartResult:
    """Return the best of every candidate there is.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
    """
    space = space_of(task.part, task.layouts)
    batch = admitted(task, space.candidates(space.every()), memory)
    refused = refusal(task, batch, memory)
    if refused is not None:
        return refused
    return replace(one_batch(task, batch, np.flatnonzero(batch.eligible), predictor), search=SEARCH_NAME)
