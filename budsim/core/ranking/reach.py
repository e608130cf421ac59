"""A given answer asked again: for another number of users, under an error rate, and without what has failed since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from budsim.core.hardware.topology import max_replicas
from budsim.core.ranking.cluster import as_recommendation, offer
from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.explain import behind
from budsim.core.ranking.explanation import Explanation
from budsim.core.ranking.recommendation import ClusterRecommendation, Recommendation
from budsim.core.search.blacklist import without_barred
from budsim.core.search.fitness import OrderKey
from budsim.core.search.part import BlacklistEntry, Configuration, Part, PartResult
from budsim.core.search.sweep import for_users


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the answer is held against.

    Attributes:
        users: Users to be carried; None for those of the request. [requests in flight]
        max_error_rate: Configurations above it are left out, 0…1.
        entries: Blacklist entries by key, as they are now.
        now_s: Present time. [unix s]
    """

    users: int | None
    max_error_rate: float
    entries: Mapping[str, Sequence[BlacklistEntry]]
    now_s: float


def reaching(found: Recommendation, wish: Wish) -> tuple[ClusterRecommendation, ...]:
    """Return the clusters that carry the users, best first, their replicas placed anew on the nodes the answer stood on."""
    again = (_again(cluster, wish) for cluster in found.clusters)
    kept = sorted((cluster for cluster in again if cluster is not None), key=_cluster_key)
    return (*kept[:1], *(_behind(front, cluster) for front, cluster in pairwise(kept)))


def _behind(front: ClusterRecommendation, cluster: ClusterRecommendation) -> ClusterRecommendation:
    """Return a cluster with why it stands behind the one before it."""
    why = behind(Deployment(members=front.deployed), Deployment(members=cluster.deployed), slo=cluster.best.part.slo)
    return replace(cluster, explained=replace(cluster.explained or Explanation(), behind=why))


def keys_of(found: Recommendation) -> tuple[str, ...]:
    """Return the blacklist keys the answer stands on."""
    return tuple(sorted({part.key for cluster in found.clusters for part in _parts(cluster)}))


def _cluster_key(cluster: ClusterRecommendation) -> tuple[OrderKey, str]:
    return Deployment(members=cluster.deployed).key, cluster.cluster_id


def _again(cluster: ClusterRecommendation, wish: Wish) -> ClusterRecommendation | None:
    results = {result.part_id: result for result in cluster.results}
    parts = [part for part in _parts(cluster) if part.part_id in results]
    pairs = [_judged(part, results[part.part_id], wish) for part in parts]
    if not any(result.configurations for _, result in pairs):
        return None
    made = offer(cluster.cluster_id, pairs, top_k=max(part.settings.top_k for part in parts))
    return as_recommendation(made, slo=parts[0].slo, warnings=cluster.warnings) if made.carries else None


def _parts(cluster: ClusterRecommendation) -> list[Part]:
    return list({ranked.part.part_id: ranked.part for ranked in (*cluster.configurations, *cluster.pareto)}.values())


def _judged(part: Part, result: PartResult, wish: Wish) -> tuple[Part, PartResult]:
    """Return the part under the wished load, and what is left of its result, every configuration in the running."""
    if wish.users is not None:
        result = replace(result, changes=())  # of the users that were asked for
        part = for_users(part, wish.users)
    left = without_barred(part, result, wish.entries.get(part.key, ()), now_s=wish.now_s)
    everything = {item.config_id: item for item in (*left.configurations, *left.pareto)}
    return part, replace(left, configurations=tuple(_sized(part, everything.values(), wish)), pareto=tuple(_sized(part, left.pareto, wish)))


def _sized(part: Part, configurations: Iterable[Configuration], wish: Wish) -> Iterable[Configuration]:
    for item in configurations:
        if item.error_rate <= wish.max_error_rate:
            target = part.workload.target_concurrency(item.e2e_s)
            layout = item.candidate
            held = max_replicas(part.group, tensor_parallel=layout.tensor_parallel, pipeline_parallel=layout.pipeline_parallel)
            yield replace(item, replicas=min(held, -(-target // layout.concurrency)))
