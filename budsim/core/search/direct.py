"""Direct search: every layout and concurrency with the engine version's own knobs, in one batch."""

from dataclasses import replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, IntArray
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.batch import admitted, one_batch, refusal
from budsim.core.search.genome import space_of
from budsim.core.search.part import PartResult, SearchTask, Way

SEARCH_NAME: Final = Way.DIRECT.value


def direct_search(task: SearchTask, predictor: Predictor, memory: MemoryModel) -> PartResult:
    """Return the best configurations of a part: memory and prediction are one call each for the whole space.

    Where a layout and concurrency do not fit with the version's own knobs, or feedback bars them so, the knobs that take least memory
    stand in for them.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.

    Source:
        LLD 6.1, «heuristic».
    """
    space = space_of(task.part, task.layouts)
    usual, lean = space.loads, space.leanest()
    batch = admitted(task, space.candidates(np.vstack((usual, lean))), memory)
    refused = refusal(task, batch, memory)
    if refused is not None:
        return refused
    result = one_batch(task, batch, np.flatnonzero(standing_in(batch.eligible, usual, lean)), predictor)
    return replace(result, search=SEARCH_NAME)


def standing_in(eligible: BoolArray, usual: IntArray, lean: IntArray) -> BoolArray:
    """Return what is judged of the usual and, below them, the lean: of each pair the first that may be proposed."""
    count = len(usual)
    needed = eligible[count:] & ~eligible[:count] & (usual != lean).any(axis=1)
    return np.concatenate((eligible[:count], needed))
