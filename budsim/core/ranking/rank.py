"""Clusters ranked for one workflow, from the results of its parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from budsim.core.ranking.cluster import Offer, as_recommendation, offer
from budsim.core.ranking.placement import carried_share
from budsim.core.ranking.recommendation import ClusterRecommendation, Completion, MissingPart, Recommendation, Rejection
from budsim.core.ranking.reject import failure, part_rejection, too_small
from budsim.core.search.fitness import OrderKey, order_key
from budsim.core.search.part import Part, PartResult, PartStatus
from budsim.core.slo import Slo


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that is known of a workflow when its answer is due.

    Attributes:
        parts: All its parts; those without a result are missing.
        results: At most one a part.
        rejections: What was left out before there were parts.
        top_k: Most configurations a cluster.
        spread: Whether several clusters may share a target that none carries alone.
        created_s: When the answer is given. [unix s]
        warnings: To be said with every recommended cluster.
    """

    workflow_id: str
    slo: Slo
    parts: Sequence[Part]
    results: Sequence[PartResult]
    rejections: Sequence[Rejection] = ()
    top_k: int = 5
    spread: bool = False
    created_s: float = 0.0
    warnings: Sequence[str] = ()


def recommend(findings: Findings) -> Recommendation:
    """Return the answer: clusters that carry the target, best first; the others with reason and remedy; what is missing."""
    offers = [offer(cluster_id, found, top_k=findings.top_k) for cluster_id, found in _by_cluster(findings).items()]
    clusters = _ranked(offers, findings)
    rejected = (*findings.rejections, *_rejections(findings, offers, taken={item.cluster_id for item in clusters}))
    missing = _missing(findings)
    completion = Completion.FAILED if not clusters else Completion.PARTIAL if missing else Completion.COMPLETED
    return Recommendation(
        workflow_id=findings.workflow_id,
        completion=completion,
        clusters=clusters,
        rejected=rejected,
        missing=missing,
        failure=None if clusters else failure(rejected, missing),
        created_s=findings.created_s,
    )


def _by_cluster(findings: Findings) -> dict[str, list[tuple[Part, PartResult]]]:
    results = {result.part_id: result for result in findings.results}
    found: dict[str, list[tuple[Part, PartResult]]] = {}
    for part in sorted(findings.parts, key=lambda part: part.part_id):
        if part.part_id in results:
            found.setdefault(part.group.cluster_id, []).append((part, results[part.part_id]))
    return found


def _ranked(offers: Iterable[Offer], findings: Findings) -> tuple[ClusterRecommendation, ...]:
    given = sorted((item for item in offers if item.configurations), key=_cluster_key)
    carrying = [item for item in given if item.carries]
    chosen = carrying if carrying or not findings.spread else _together(given)
    shared = () if carrying else tuple(item.cluster_id for item in chosen)
    return tuple(as_recommendation(item, slo=findings.slo, warnings=findings.warnings, shared=shared) for item in chosen)


def _together(offers: Iterable[Offer]) -> list[Offer]:
    """Return the best clusters, up to the one that completes the target, or none."""
    shared: list[Offer] = []
    share = 0.0
    for item in offers:
        if share < 1.0:
            shared.append(item)
            share += carried_share(item.best)
    return shared if share >= 1.0 else []


def _cluster_key(item: Offer) -> tuple[OrderKey, str]:
    return order_key(item.best.configuration, item.best.part), item.cluster_id


def _rejections(findings: Findings, offers: Iterable[Offer], *, taken: set[str]) -> Iterable[Rejection]:
    parts = {part.part_id: part for part in findings.parts}
    for item in offers:
        if item.cluster_id not in taken and item.configurations:
            yield too_small(item.best)
        for result in item.results:
            if result.status is not PartStatus.FOUND:
                yield part_rejection(parts[result.part_id], result)


def _missing(findings: Findings) -> tuple[MissingPart, ...]:
    answered = {result.part_id for result in findings.results}
    return tuple(
        MissingPart(part_id=part.part_id, cluster_id=part.group.cluster_id, device_type=part.group.device_label, engine=part.engine.kind)
        for part in findings.parts
        if part.part_id not in answered
    )
