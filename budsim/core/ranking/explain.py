"""Why a cluster's deployment is what it is: as figures, and in one plain sentence."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from budsim.core.hardware.pricing import WRITE_OFF_YEARS, kwh_per_million_tokens
from budsim.core.predictors.protocol import Bound
from budsim.core.ranking.compare import compare, what_runs
from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.explanation import Comparison, Explanation
from budsim.core.ranking.margins import margins, slo_clause
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.search.part import Configuration, MemoryBreakdown, Part
from budsim.core.slo import Slo
from budsim.core.units import bytes_to_gb

BOUND_WORDS: Final = {
    Bound.COMPUTE: "compute",
    Bound.BANDWIDTH: "memory bandwidth",
    Bound.KV_CAPACITY: "room for the KV cache",
    Bound.COMMUNICATION: "communication between devices",
    Bound.QUEUE: "queueing",
    Bound.OVERHEAD: "the engine's own overhead",
}
TOLD_SHARE: Final = 0.05  # shares below it are not worth a word


def explained(best: Deployment, others: Iterable[RankedConfiguration], *, slo: Slo) -> Explanation:
    """Return the figures of a deployment's explanation, but for the cluster before it.

    Args:
        best: What is recommended.
        others: The cluster's other configurations, best first.
        slo: The targets it is held against.
    """
    next_best = next((Deployment(members=(item,)) for item in others), None)
    return Explanation(
        shares=slowest(best).configuration.shares,
        margins=margins(best, slo),
        runner_up=compare(best, next_best, slo=slo, named=next_best) if next_best else None,
    )


def behind(front: Deployment, other: Deployment, *, slo: Slo) -> Comparison:
    """Return why one cluster is ranked behind another; it carries the id of the one in front."""
    return compare(front, other, slo=slo, named=front)


def slowest(deployment: Deployment) -> RankedConfiguration:
    """Return the member whose latency is the deployment's."""
    return max(deployment.members, key=lambda item: item.configuration.e2e_s)


def explain(best: Deployment, *, slo: Slo, runner_up: Comparison | None = None, excluded: Iterable[str] = ()) -> str:
    """Return one plain sentence: what runs, what bounds it, SLO margins, memory, price, the runner-up, what feedback left out.

    Args:
        best: What is recommended.
        slo: The targets it is held against.
        runner_up: Why the next best stands behind it.
        excluded: config_ids of the blacklist entries that barred something.
    """
    carry = "carries" if best.replicas == 1 else "carry"
    users = min(best.users, best.target)
    each = ", ".join(str(item.configuration.candidate.concurrency) for item in best.members)
    clauses = [
        f"{what_runs(best)} {carry} {users} users, {each} each at most, bounded by {_bounds(slowest(best).configuration)}",
        slo_clause(best, slo),
        *(_memory(item, several=len(best.members) > 1) for item in best.members),
        f"${best.cost_per_million_tokens:.4g} per 10⁶ output tokens {', '.join(_priced(item.part) for item in best.members)}",
        *(clause for item in best.members for clause in _energy_clause(item.part, item.configuration)),
    ]
    if runner_up:
        clauses.append(f"next best: {runner_up.sentence}")
    if barred := tuple(excluded):
        clauses.append(left_out(barred))
    return "; ".join(clauses) + "."


def _bounds(found: Configuration) -> str:
    shares = [item for item in found.shares if item.share >= TOLD_SHARE]
    if not shares:
        return BOUND_WORDS[found.bound]
    first, *rest = shares
    then = ", ".join(f"{BOUND_WORDS[item.bound]} ({item.share:.0%})" for item in rest)
    return f"{BOUND_WORDS[first.bound]} ({first.share:.0%} of the latency{f', then {then}' if then else ''})"


def _memory(item: RankedConfiguration, *, several: bool) -> str:
    found: MemoryBreakdown = item.configuration.memory
    where = f" on {item.part.group.device_name}" if several else ""
    parts = (
        ("weights", found.weights_bytes),
        ("KV cache", found.kv_cache_bytes),
        ("activations", found.activation_bytes),
        ("overhead", found.overhead_bytes),
    )
    told = ", ".join(f"{name} {bytes_to_gb(size):.1f}" for name, size in parts)
    return f"{bytes_to_gb(found.total_bytes):.1f} of {bytes_to_gb(found.usable_bytes):.1f} GB usable are taken per device{where} ({told})"


def _energy_clause(part: Part, found: Configuration) -> Iterable[str]:
    power_w = part.group.accelerator.tdp_w
    if power_w is not None:
        candidate = found.candidate
        throughput, users = np.array([found.throughput_per_user]), np.array([candidate.concurrency])
        energy = float(kwh_per_million_tokens(power_w, candidate.devices, throughput, users)[0])
        yield f"at most {energy:.3g} kWh per 10⁶ output tokens at the rated {power_w:.4g} W of each device"


def _priced(part: Part) -> str:
    sold = part.model.price
    if sold is None:
        return f"at ${part.price.usd_per_hour:.4g}/h per device ({part.price.source})"
    return f"with their prompts, at ${sold.usd_per_million_input:.4g} in and ${sold.usd_per_million_output:.4g} out ({sold.source})"


def written_off(part: Part) -> str:
    """Say that a device has no hourly price, and what that means for the order."""
    device = part.group.accelerator.name
    return (
        f"no hourly price of {device} is known: its cost is the purchase price over {WRITE_OFF_YEARS} years, without power and housing, "
        "and ranks after devices that have one; send usd_per_hour, or a price on prices.v1"
    )


def left_out(config_ids: tuple[str, ...]) -> str:
    """Say what feedback barred."""
    noun = "configuration" if len(config_ids) == 1 else "configurations"
    return f"left out {len(config_ids)} {noun} blacklisted by feedback: {', '.join(config_ids)}"
