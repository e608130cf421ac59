"""Pareto front: what nothing else beats in every objective."""

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray, IntArray


def undominated(objectives: FloatArray) -> BoolArray:
    """Return which rows no other row beats: as good in every column and better in one.

    Equal rows do not beat each other, so all of them stay.

    Args:
        objectives: Figures to be minimised, shape (n, m); no NaN.

    Returns:
        Mask of shape (n,).
    """
    order = np.lexsort(objectives.T[::-1])  # what beats a row sorts before it, so one pass suffices
    left, alive = objectives[order], order
    place = 0
    while place < len(alive):
        point, later = left[place], left[place + 1 :]
        kept = np.ones(len(alive), dtype=np.bool_)
        kept[place + 1 :] = ~((later >= point).all(axis=1) & (later > point).any(axis=1))
        left, alive = left[kept], alive[kept]
        place += 1
    mask = np.zeros(len(objectives), dtype=np.bool_)
    mask[alive] = True
    return mask


def front(*, cost: FloatArray, e2e_s: FloatArray, throughput_per_user: FloatArray, limit: int) -> IntArray:
    """Return the indices of the undominated, cheapest first, thinned evenly to `limit` with both ends kept.

    Args:
        cost: Cost of 10⁶ output tokens, shape (n,). [$]
        e2e_s: End-to-end latency, shape (n,). [s]
        throughput_per_user: Output tokens/s of one user, shape (n,). [tokens/s]
        limit: Most indices returned.
    """
    chosen = np.flatnonzero(undominated(np.column_stack((cost, e2e_s, -throughput_per_user))))
    chosen = chosen[np.lexsort((chosen, e2e_s[chosen], cost[chosen]))]
    if len(chosen) <= limit:
        return chosen
    return chosen[np.unique(np.linspace(0, len(chosen) - 1, limit).round().astype(np.int64))]
