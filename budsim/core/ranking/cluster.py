"""One cluster: the configurations of all its parts in one order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from budsim.core.ranking.explain import explain, left_out, written_off
from budsim.core.ranking.placement import carried_share, carried_users, placed, target_users
from budsim.core.ranking.recommendation import ClusterRecommendation, RankedConfiguration
from budsim.core.search.fitness import OrderKey, order_key
from budsim.core.search.pareto import front
from budsim.core.search.part import Configuration, Part, PartResult
from budsim.core.slo import Slo

MAX_PARETO: Final = 10  # points of the front that travel with a cluster

RankKey: TypeAlias = tuple[OrderKey, int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one cluster has found: its parts' results, and their configurations, placed and best first."""

    cluster_id: str
    results: tuple[PartResult, ...]
    configurations: tuple[RankedConfiguration, ...]
    pareto: tuple[RankedConfiguration, ...]

    @property
    def best(self) -> RankedConfiguration:
        """The best configuration; only where there is one."""
        return self.configurations[0]

    @property
    def carries(self) -> bool:
        """Whether the best configuration carries the target."""
        return bool(self.configurations) and carried_share(self.best) >= 1.0


def offer(cluster_id: str, found: Sequence[tuple[Part, PartResult]], *, top_k: int) -> Offer:
    """Return what a cluster offers, merged over its parts.

    Args:
        cluster_id: The cluster.
        found: Its parts with their results.
        top_k: Most configurations kept.
    """
    best = _furthest(sorted(_placed((part, result.configurations) for part, result in found), key=rank_key))
    return Offer(
        cluster_id=cluster_id,
        results=tuple(result for _, result in found),
        configurations=tuple(best[:top_k]),
        pareto=tuple(_front(_furthest(_placed((part, result.pareto) for part, result in found)))),
    )


def rank_key(ranked: RankedConfiguration) -> RankKey:
    """Return what placed configurations of any part and cluster are sorted by: the search's order, then the engine's preference."""
    part, found = ranked.part, ranked.configuration
    return order_key(found, part), part.engine.preference, part.part_id, found.config_id


def as_recommendation(source: Offer, *, slo: Slo, warnings: Iterable[str], shared: Sequence[str] = ()) -> ClusterRecommendation:
    """Return a cluster that has a configuration as recommended, explained; `shared` are the clusters that carry the load together."""
    best = source.best
    excluded = tuple(dict.fromkeys(config_id for result in source.results for config_id in result.excluded))
    explanation = explain(best, slo=slo, users=min(carried_users(best), target_users(best)), excluded=excluded)
    others = [name for name in shared if name != source.cluster_id]
    if others:
        explanation = f"together with {', '.join(others)} it carries {target_users(best)} users: {explanation}"
    notes = [result.method_note for result in source.results if result.method_note]
    prices = [written_off(best.part)] if best.part.price.is_written_off else []
    said = [*warnings, *notes, *prices, *([left_out(excluded)] if excluded else [])]
    return ClusterRecommendation(
        cluster_id=source.cluster_id,
        configurations=source.configurations,
        pareto=source.pareto,
        results=source.results,
        explanation=explanation,
        warnings=tuple(dict.fromkeys(said)),
    )


def _placed(found: Iterable[tuple[Part, tuple[Configuration, ...]]]) -> list[RankedConfiguration]:
    return [placed(part, item) for part, items in found for item in items]


def _furthest(ranked: Sequence[RankedConfiguration]) -> Sequence[RankedConfiguration]:
    """Return those that carry the target; when none does, all."""
    return [item for item in ranked if carried_share(item) >= 1.0] or ranked


def _front(points: Sequence[RankedConfiguration]) -> list[RankedConfiguration]:
    if not points:
        return []
    figures = np.array(
        [(item.configuration.cost_per_million_tokens, item.configuration.e2e_s, item.configuration.throughput_per_user) for item in points]
    )
    chosen = front(cost=figures[:, 0], e2e_s=figures[:, 1], throughput_per_user=figures[:, 2], limit=MAX_PARETO)
    return [points[index] for index in chosen]
