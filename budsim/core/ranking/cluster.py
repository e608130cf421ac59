"""One cluster: the configurations of all its parts in one order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from budsim.core.ranking.deployment import Deployment, carrying_together, share_of
from budsim.core.ranking.explain import behind, explain, explained, left_out, written_off
from budsim.core.ranking.nearest import nearest
from budsim.core.ranking.placement import placed
from budsim.core.ranking.recommendation import ClusterRecommendation, RankedConfiguration
from budsim.core.search.fitness import OrderKey, order_key
from budsim.core.search.pareto import front
from budsim.core.search.part import Configuration, Part, PartResult
from budsim.core.slo import Slo

MAX_PARETO: Final = 10  # points of the front that travel with a cluster

RankKey: TypeAlias = tuple[OrderKey, int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one cluster has found: its parts' results, and their configurations, best first. Only what is answered is placed.

    Attributes:
        choices: Everything found.
        deployed: What carries the target, one configuration or several beside each other; what reaches furthest where nothing does.
        others: The next best, which do the same each by itself where any does.
    """

    cluster_id: str
    results: tuple[PartResult, ...]
    choices: tuple[RankedConfiguration, ...]
    deployed: tuple[RankedConfiguration, ...]
    others: tuple[RankedConfiguration, ...]
    pareto: tuple[RankedConfiguration, ...]

    @property
    def deployment(self) -> Deployment:
        """What is deployed; only where there is something."""
        return Deployment(members=self.deployed)

    @property
    def excluded(self) -> tuple[str, ...]:
        """config_ids of the blacklist entries that barred something."""
        return tuple(dict.fromkeys(config_id for result in self.results for config_id in result.excluded))

    @property
    def carries(self) -> bool:
        """Whether it carries the target."""
        return bool(self.deployed) and self.deployment.share >= 1.0


def offer(cluster_id: str, found: Sequence[tuple[Part, PartResult]], *, top_k: int) -> Offer:
    """Return what a cluster offers, merged over its parts.

    Args:
        cluster_id: The cluster.
        found: Its parts with their results.
        top_k: Most configurations kept.
    """
    ranked = sorted(_merged((part, result.configurations) for part, result in found), key=rank_key)
    front = _merged((part, result.pareto) for part, result in found)
    best = _furthest(ranked)
    choices = {item.configuration.config_id: item for item in (*ranked, *front)}
    deployed = _deployed(best, tuple(choices.values()))
    made = Offer(
        cluster_id=cluster_id,
        results=tuple(result for _, result in found),
        choices=tuple(choices.values()),
        deployed=deployed,
        others=tuple(best),
        pareto=tuple(_front(_furthest(front))),
    )
    return deploying(made, deployed, top_k=top_k)


def _deployed(best: Sequence[RankedConfiguration], choices: Sequence[RankedConfiguration]) -> tuple[RankedConfiguration, ...]:
    """Return the best configuration where it carries the target within the SLOs, else what groups do together if that does."""
    alone = tuple(best[:1])
    if alone and _carries(alone[0]) and alone[0].configuration.meets_slo:
        return alone
    together = carrying_together(choices)
    if not alone or not _carries(alone[0]):
        return together
    mix = Deployment(members=together)
    return together if mix.share >= 1.0 and mix.meets_slo else alone


def deploying(source: Offer, deployed: tuple[RankedConfiguration, ...], *, top_k: int) -> Offer:
    """Return an offer that deploys these, and as many others as still fit the number kept."""
    taken = {item.configuration.config_id for item in deployed}
    others = [item for item in source.others if item.configuration.config_id not in taken]
    return replace(source, deployed=deployed, others=tuple(others[: max(0, top_k - len(deployed))]))


def rank_key(ranked: RankedConfiguration) -> RankKey:
    """Return what placed configurations of any part and cluster are sorted by: the search's order, then the engine's preference."""
    part, found = ranked.part, ranked.configuration
    return order_key(found, part), part.engine.preference, part.part_id, found.config_id


def as_recommendation(
    source: Offer, *, slo: Slo, warnings: Iterable[str], shared: Sequence[Offer] = (), before: Deployment | None = None
) -> ClusterRecommendation:
    """Return a cluster that has a deployment as recommended, explained.

    Args:
        source: The cluster's offer.
        slo: The targets it is held against.
        warnings: To be said with it.
        shared: The offers that carry the load together, where none does alone.
        before: What the cluster ranked just before deploys.
    """
    best, excluded = source.deployment, source.excluded
    told = explained(best, source.others, slo=slo)
    explanation = explain(best, slo=slo, runner_up=told.runner_up, excluded=excluded)
    said = [*warnings, *_notes(source), *([left_out(excluded)] if excluded else [])]
    return ClusterRecommendation(
        cluster_id=source.cluster_id,
        configurations=tuple(map(placed, (*source.deployed, *source.others))),
        pareto=tuple(map(placed, source.pareto)),
        results=source.results,
        explanation=f"{_together_with(source, shared)}{explanation}",
        warnings=tuple(dict.fromkeys(said)),
        together=len(source.deployed),
        explained=replace(told, behind=behind(before, best, slo=slo) if before else None),
        changes=() if best.meets_slo else nearest(source.results),
    )


def _together_with(source: Offer, shared: Sequence[Offer]) -> str:
    names = [item.cluster_id for item in shared if item.cluster_id != source.cluster_id]
    if not names:
        return ""
    everyone = Deployment(members=tuple(member for item in shared for member in item.deployed))
    return f"together with {', '.join(names)} it carries {everyone.target} users: "


def _notes(source: Offer) -> Iterable[str]:
    """Yield how the parts were predicted, where not as asked, and which devices have no hourly price."""
    yield from (result.method_note for result in source.results if result.method_note)
    yield from (written_off(item.part) for item in source.deployed if item.part.price.is_written_off)


def _merged(found: Iterable[tuple[Part, tuple[Configuration, ...]]]) -> list[RankedConfiguration]:
    return [RankedConfiguration(part=part, configuration=item) for part, items in found for item in items]


def _furthest(ranked: Sequence[RankedConfiguration]) -> Sequence[RankedConfiguration]:
    """Return those that carry the target; when none does, all."""
    return [item for item in ranked if _carries(item)] or ranked


def _carries(ranked: RankedConfiguration) -> bool:
    return share_of(ranked) >= 1.0


def _front(points: Sequence[RankedConfiguration]) -> list[RankedConfiguration]:
    if not points:
        return []
    figures = np.array(
        [(item.configuration.cost_per_million_tokens, item.configuration.e2e_s, item.configuration.throughput_per_user) for item in points]
    )
    chosen = front(cost=figures[:, 0], e2e_s=figures[:, 1], throughput_per_user=figures[:, 2], limit=MAX_PARETO)
    return [points[index] for index in chosen]
