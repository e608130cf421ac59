"""Why one deployment stands behind another: the first criterion, in the order of weight, in which they differ."""

from typing import Final

from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.explanation import Comparison, Criterion
from budsim.core.ranking.margins import missed
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.search.blacklist import weight_format
from budsim.core.slo import Slo

# one for each element of an OrderKey
_CRITERIA: Final = (
    Criterion.TARGET_CARRIED,
    Criterion.SLO_MET,
    Criterion.USERS_UNSERVED,
    Criterion.SLO_SHORTFALL,
    Criterion.HOURLY_PRICE,
    Criterion.COST,
    Criterion.THROUGHPUT,
)
_WITHOUT_FIGURES: Final = {
    Criterion.HOURLY_PRICE: "has no known hourly price",
    Criterion.ENGINE: "is as good by every figure, and its engine comes later by preference",
    Criterion.NONE: "is as good by every figure",
}


def compare(front: Deployment, other: Deployment, *, slo: Slo, named: Deployment) -> Comparison:
    """Return why `other` stands behind `front`.

    Args:
        front: The one that is put first.
        other: The one that stands behind.
        slo: The targets of both.
        named: The one of the two that the comparison is about, whose id it carries.
    """
    criterion, better, worse = _difference(front, other)
    return Comparison(
        config_id=named.members[0].configuration.config_id,
        cluster_id=named.members[0].part.group.cluster_id,
        criterion=criterion,
        better=better,
        worse=worse,
        by=abs(worse - better) / abs(better) if better and criterion in (Criterion.COST, Criterion.THROUGHPUT) else abs(worse - better),
        sentence=f"{what_runs(other)} {_told(criterion, front, other, slo)}",
    )


def _difference(front: Deployment, other: Deployment) -> tuple[Criterion, float, float]:
    for criterion, one, two in zip(_CRITERIA, front.key, other.key, strict=True):
        if one != two:
            return criterion, abs(float(one)), abs(float(two))
    one, two = (item.members[0].part.engine.preference for item in (front, other))
    return (Criterion.ENGINE if one != two else Criterion.NONE), float(one), float(two)


def _told(criterion: Criterion, front: Deployment, other: Deployment, slo: Slo) -> str:
    match criterion:
        case Criterion.TARGET_CARRIED | Criterion.USERS_UNSERVED:
            return f"carries {min(other.users, other.target)} of {other.target} users, where this carries {min(front.users, front.target)}"
        case Criterion.SLO_MET:
            return f"misses {missed(other, slo) or f'the asked probability ({other.slo_probability:.0%})'}"
        case Criterion.SLO_SHORTFALL:
            return f"falls short of the SLOs by {other.error_rate:.0%} on average, this by {front.error_rate:.0%}"
        case Criterion.COST:
            return _dearer(front.cost_per_million_tokens, other.cost_per_million_tokens)
        case Criterion.THROUGHPUT:
            return _slower(front.throughput_per_user, other.throughput_per_user)
        case Criterion.HOURLY_PRICE | Criterion.ENGINE | Criterion.NONE:
            return _WITHOUT_FIGURES[criterion]


def _dearer(one: float, two: float) -> str:
    more = f"{two / one - 1.0:.1%} more" if one else "more"
    return f"costs {more}: ${two:.4g} against ${one:.4g} per 10⁶ output tokens"


def _slower(one: float, two: float) -> str:
    return f"is {1.0 - two / one:.1%} slower at the same cost: {two:.1f} against {one:.1f} tokens/s per user"


def what_runs(deployment: Deployment) -> str:
    """Return in words what runs: «2 replicas of vllm at TP=1, PP=1 on H100 and …»."""
    return " and ".join(
        f"{item.replicas} {'replica' if item.replicas == 1 else 'replicas'} of {item.part.engine.kind} at "
        f"TP={item.configuration.candidate.tensor_parallel}, PP={item.configuration.candidate.pipeline_parallel} "
        f"on {item.part.group.device_name}{_narrowed(item)}"
        for item in deployment.members
    )


def _narrowed(item: RankedConfiguration) -> str:
    """Return «, weights in fp8» where a request left that to be chosen."""
    return f", weights in {weight_format(item.part.model)}" if item.part.quantized and item.part.model.quantization else ""
