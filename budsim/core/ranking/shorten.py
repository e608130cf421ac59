"""An answer shortened step by step, for where the whole of it cannot be sent."""

from collections.abc import Iterator
from dataclasses import replace

from budsim.core.ranking.recommendation import ClusterRecommendation, Recommendation


def shortened(recommendation: Recommendation) -> Iterator[Recommendation]:
    """Yield the answer whole, then without Pareto fronts, then with ever fewer configurations a cluster, down to the best one.

    Each shorter one says so among its clusters' warnings.
    """
    yield recommendation
    kept = max((len(cluster.configurations) for cluster in recommendation.clusters), default=0)
    while kept:
        yield replace(recommendation, clusters=tuple(_cut(cluster, kept) for cluster in recommendation.clusters))
        kept //= 2


def _cut(cluster: ClusterRecommendation, kept: int) -> ClusterRecommendation:
    note = f"the answer was too large for one message: it holds {kept} configurations a cluster at most and no Pareto front"
    return replace(
        cluster, configurations=cluster.configurations[: max(kept, cluster.together)], pareto=(), warnings=(*cluster.warnings, note)
    )
