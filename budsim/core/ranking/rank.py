"""Clusters ranked for one workflow, from the results of its parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from budsim.core.ranking.cluster import Offer, as_recommendation, deploying, offer
from budsim.core.ranking.deployment import carrying_together, share_of
from budsim.core.ranking.recommendation import ClusterRecommendation, Completion, MissingPart, Recommendation, Rejection
from budsim.core.ranking.reject import failure, part_rejection, too_small
from budsim.core.search.fitness import OrderKey
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
    given = sorted((item for item in offers if item.deployed), key=_cluster_key)
    carrying = [item for item in given if item.carries]
    chosen = carrying if carrying or not findings.spread else _together(given, findings)
    shared = () if carrying else chosen
    # clusters that carry the load together are parts of one answer, none is behind another
    before = [None] * len(chosen) if shared else [None, *(item.deployment for item in chosen)]
    return tuple(
        as_recommendation(item, slo=findings.slo, warnings=findings.warnings, shared=shared, before=front)
        for item, front in zip(chosen, before, strict=False)
    )


def _together(offers: Sequence[Offer], findings: Findings) -> list[Offer]:
    """Return the clusters that carry the target together, each with its part of the deployment, or none."""
    members = carrying_together([choice for item in offers for choice in item.choices])
    if sum(map(share_of, members)) < 1.0:
        return []
    parts = {item.cluster_id: tuple(member for member in members if member.part.group.cluster_id == item.cluster_id) for item in offers}
    chosen = [deploying(item, parts[item.cluster_id], top_k=findings.top_k) for item in offers if parts[item.cluster_id]]
    return sorted(chosen, key=_cluster_key)


def _cluster_key(item: Offer) -> tuple[OrderKey, str]:
    return item.deployment.key, item.cluster_id


def _rejections(findings: Findings, offers: Iterable[Offer], *, taken: set[str]) -> Iterable[Rejection]:
    parts = {part.part_id: part for part in findings.parts}
    for item in offers:
        if item.cluster_id not in taken and item.deployed:
            yield too_small(item)
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
