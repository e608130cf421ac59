"""Figures against their SLOs."""

from collections.abc import Iterator
from typing import Final

from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.explanation import Margin, Objective
from budsim.core.search.fitness import MEAN_SUFFICES
from budsim.core.slo import Slo
from budsim.core.units import seconds_to_ms

_DIGITS: Final = 9  # a margin that rounding alone leaves is none


def margins(found: Deployment, slo: Slo) -> tuple[Margin, ...]:
    """Return how far each figure lies from its SLO, at the mean and at p95, for the SLOs that are set."""
    return tuple(_margins(found, slo))


def slo_clause(found: Deployment, slo: Slo) -> str:
    """Return in words whether the SLOs are met, and by how much each."""
    told = ", ".join(_words(margin) for margin in margins(found, slo))
    if not told:
        latency = f"TTFT {seconds_to_ms(found.ttft_s):.0f} ms, E2E {found.e2e_s:.2f} s"
        return f"no SLO was set ({latency}, {found.throughput_per_user:.1f} tokens/s per user)"
    return f"{_verdict(found, slo)}: {told}"


def missed(found: Deployment, slo: Slo) -> str:
    """Return the SLO that is missed most at the mean, in words; empty when none is."""
    worst = min(margins(found, slo), key=lambda margin: margin.mean_spare, default=None)
    return _words(worst) if worst is not None and worst.mean_spare < 0.0 else ""


def _verdict(found: Deployment, slo: Slo) -> str:
    likely, asked = f"{found.slo_probability:.0%}", f"{slo.min_probability:.0%} asked"
    strict = slo.min_probability > MEAN_SUFFICES
    if found.meets_slo:
        if strict:
            return f"every SLO is met with probability {likely} ({asked})"
        return f"every SLO is met at the mean, as asked (all of them at once with probability {likely}, as predictions may be off)"
    if any(margin.mean_spare < 0.0 for margin in margins(found, slo)):
        return f"not every SLO is met at the mean (probability {likely}, {asked})"
    return f"every SLO is met at the mean, but all at once only with probability {likely} ({asked})"


def _margins(found: Deployment, slo: Slo) -> Iterator[Margin]:
    if slo.ttft_s:
        yield _of_time(Objective.TTFT, slo.ttft_s, mean=found.ttft_s, p95=found.ttft_range_s.high)
    if slo.throughput_per_user:
        target, mean, p95 = slo.throughput_per_user, found.throughput_per_user, found.throughput_range.low
        yield Margin(
            objective=Objective.THROUGHPUT_PER_USER,
            target=target,
            mean=mean,
            mean_spare=_rounded(mean / target - 1.0),
            p95=p95,
            p95_spare=_rounded(p95 / target - 1.0),
        )
    if slo.e2e_s:
        yield _of_time(Objective.E2E_LATENCY, slo.e2e_s, mean=found.e2e_s, p95=found.e2e_range_s.high)


def _of_time(objective: Objective, target: float, *, mean: float, p95: float) -> Margin:
    return Margin(
        objective=objective,
        target=target,
        mean=mean,
        mean_spare=_rounded(1.0 - mean / target),
        p95=p95,
        p95_spare=_rounded(1.0 - p95 / target),
    )


def _rounded(share: float) -> float:
    return round(share, _DIGITS)


def _words(margin: Margin) -> str:
    spare = f"({_spare(margin.mean_spare)}, at p95 {_spare(margin.p95_spare)})"
    match margin.objective:
        case Objective.TTFT:
            return f"TTFT {seconds_to_ms(margin.mean):.0f} ms against {seconds_to_ms(margin.target):.0f} ms {spare}"
        case Objective.THROUGHPUT_PER_USER:
            return f"{margin.mean:.1f} tokens/s per user against {margin.target:.1f} {spare}"
        case Objective.E2E_LATENCY:
            return f"E2E {margin.mean:.2f} s against {margin.target:.2f} s {spare}"


def _spare(share: float) -> str:
    return f"{share:.0%} to spare" if share >= 0 else f"missed by {-share:.0%}"
