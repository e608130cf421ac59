"""Which of the ranked candidates are proposals of their own, and which only neighbours of a better one."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, IntArray
from budsim.core.search.configuration import Judged

APART: Final = 2.0  # factor of concurrency from which two candidates of one layout are different proposals
_WIDEST: Final = 2**14  # above any degree and any concurrency of a replica


def different(ranked: IntArray, judged: Judged, *, limit: int) -> list[int]:
    """Return up to `limit` of the ranked indices, best first, that are truly different proposals.

    Of one layout only candidates whose cache is of another width, whose prompts are cut or not, or whose concurrency is apart by a
    factor count as different. Among equals in carrying the target and in meeting the SLOs, each layout's first comes before any
    layout's second: feedback bars whole layouts, so the next best should be another.

    Args:
        ranked: Indices of the eligible candidates, best first.
        judged: What they were judged by.
        limit: Most indices returned.
    """
    ranked = _firsts(ranked, judged.candidates)
    columns = judged.candidates
    shown = (columns.tensor_parallel, columns.pipeline_parallel, columns.kv_precision, columns.chunked_prefill, columns.concurrency)
    tiers = (judged.fitness.uncarried > 0.0, ~judged.fitness.meets_slo)
    seen: dict[tuple[int, int], list[tuple[int, bool, int]]] = {}
    proposals: list[tuple[bool, bool, int, int]] = []
    rows = zip(*(column[ranked].tolist() for column in (*shown, *tiers)), strict=True)
    for rank, (tensor, pipeline, cache, cuts, users, short, missed) in enumerate(rows):
        chosen = seen.setdefault((tensor, pipeline), [])
        if all((cache, cuts) != other[:2] or _apart(users, other[2]) for other in chosen):
            proposals.append((short, missed, len(chosen), rank))
            chosen.append((cache, cuts, users))
    return [int(ranked[rank]) for rank in sorted(proposal[-1] for proposal in sorted(proposals)[:limit])]


def _apart(users: int, others: int) -> bool:
    return max(users, others) >= APART * min(users, others)


def _firsts(ranked: IntArray, candidates: Candidates) -> IntArray:
    """Return the best of those that differ in nothing that makes a proposal, in their order."""
    code = candidates.tensor_parallel[ranked] * _WIDEST + candidates.pipeline_parallel[ranked]
    code = code * _WIDEST + candidates.concurrency[ranked]
    code = code * 64 + candidates.kv_precision[ranked] * 2 + candidates.chunked_prefill[ranked]
    return np.asarray(ranked[np.sort(np.unique(code, return_index=True)[1])])
