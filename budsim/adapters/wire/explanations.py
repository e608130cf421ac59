"""Explanation and Change → their bodies: SI to the edge units."""

from budsim.core.ranking.explanation import Comparison, Explanation, Margin, Objective
from budsim.core.search.change import Change, ChangeKind
from budsim.core.search.part import BoundShare
from budsim.core.units import bytes_to_gb, seconds_to_ms
from topics.explanations import AlsoBody, BoundShareBody, ChangeBody, ComparisonBody, ExplanationBody, MarginBody


def explanation_body(explanation: Explanation) -> ExplanationBody:
    """Return the figures of an explanation."""
    return ExplanationBody(
        bounds=bound_bodies(explanation.shares),
        margins=[_margin(item) for item in explanation.margins],
        runner_up=_comparison(explanation.runner_up) if explanation.runner_up else None,
        behind=_comparison(explanation.behind) if explanation.behind else None,
    )


def bound_bodies(shares: tuple[BoundShare, ...]) -> list[BoundShareBody]:
    """Return the shares of a latency."""
    return [BoundShareBody(bound=item.bound.value, share=item.share) for item in shares]


def change_body(change: Change) -> ChangeBody:
    """Return a change in the units of the field it changes."""
    asked, needed = _at_the_edge(change.kind, change.asked), _at_the_edge(change.kind, change.needed)
    return ChangeBody(
        field=change.kind.value,
        asked=asked or None,
        needed=needed or None,
        value=change.weight_format or None,
        per_node=change.per_node or None,
        judged_by=change.judged_by.value,
        sentence=change.sentence,
        also=[
            AlsoBody(field=each.kind.value, asked=_at_the_edge(each.kind, each.asked), needed=_at_the_edge(each.kind, each.needed))
            for each in change.also
        ],
    )


def _at_the_edge(kind: ChangeKind, value: float) -> float:
    match kind:
        case ChangeKind.TTFT:
            return seconds_to_ms(value)
        case ChangeKind.DEVICE_MEMORY:
            return bytes_to_gb(value)
        case _:
            return value


def _margin(margin: Margin) -> MarginBody:
    in_ms = margin.objective is Objective.TTFT
    target, mean, p95 = (seconds_to_ms(value) if in_ms else value for value in (margin.target, margin.mean, margin.p95))
    return MarginBody(
        objective=margin.objective.value, target=target, mean=mean, mean_spare=margin.mean_spare, p95=p95, p95_spare=margin.p95_spare
    )


def _comparison(found: Comparison) -> ComparisonBody:
    return ComparisonBody(
        config_id=found.config_id,
        cluster_id=found.cluster_id,
        criterion=found.criterion.value,
        better=found.better,
        worse=found.worse,
        by=found.by,
        sentence=found.sentence,
    )
