"""Why a cluster's best configuration is what it is, in plain words."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from budsim.core.hardware.pricing import WRITE_OFF_YEARS, kwh_per_million_tokens
from budsim.core.predictors.protocol import Bound
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.search.part import Configuration, Part
from budsim.core.slo import Slo
from budsim.core.units import bytes_to_gb, seconds_to_ms

_BOUND_WORDS: Final = {
    Bound.COMPUTE: "compute",
    Bound.BANDWIDTH: "memory bandwidth",
    Bound.KV_CAPACITY: "room for the KV cache",
    Bound.COMMUNICATION: "communication between devices",
    Bound.QUEUE: "queueing",
    Bound.OVERHEAD: "the engine's own overhead",
}


def explain(best: RankedConfiguration, *, slo: Slo, users: int, excluded: Iterable[str] = ()) -> str:
    """Return one plain sentence: what runs, what bounds it, SLO margins, memory, price, what feedback left out.

    Args:
        best: The recommended configuration.
        slo: The targets it is held against.
        users: Users to be carried. [requests in flight]
        excluded: config_ids of the blacklist entries that barred something.
    """
    part, found = best.part, best.configuration
    candidate, group = found.candidate, part.group
    replicas, carry = ("1 replica", "carries") if best.replicas == 1 else (f"{best.replicas} replicas", "carry")
    clauses = [
        f"{replicas} of {part.engine.kind} at TP={candidate.tensor_parallel}, PP={candidate.pipeline_parallel} on {group.device_name} "
        f"{carry} {users} users, {candidate.concurrency} each at most, bounded by {_BOUND_WORDS[found.bound]}",
        _slo_clause(found, slo),
        f"{bytes_to_gb(found.memory.total_bytes):.1f} of {bytes_to_gb(found.memory.usable_bytes):.1f} GB usable are taken per device",
        f"${found.cost_per_million_tokens:.4g} per 10⁶ output tokens {_priced(part)}",
        *_energy_clause(part, found),
    ]
    barred = tuple(excluded)
    if barred:
        clauses.append(left_out(barred))
    return "; ".join(clauses) + "."


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


def margins(found: Configuration, slo: Slo) -> tuple[str, ...]:
    """Return one clause for each set SLO: figure, target and how far apart they are."""
    clauses = []
    if slo.ttft_s:
        ttft = f"TTFT {seconds_to_ms(found.ttft_s):.0f} ms against {seconds_to_ms(slo.ttft_s):.0f} ms"
        clauses.append(f"{ttft} ({_margin(1.0 - found.ttft_s / slo.ttft_s)})")
    if slo.throughput_per_user:
        throughput = f"{found.throughput_per_user:.1f} tokens/s per user against {slo.throughput_per_user:.1f}"
        clauses.append(f"{throughput} ({_margin(found.throughput_per_user / slo.throughput_per_user - 1.0)})")
    if slo.e2e_s:
        clauses.append(f"E2E {found.e2e_s:.2f} s against {slo.e2e_s:.2f} s ({_margin(1.0 - found.e2e_s / slo.e2e_s)})")
    return tuple(clauses)


def _slo_clause(found: Configuration, slo: Slo) -> str:
    clauses = margins(found, slo)
    if not clauses:
        latency = f"TTFT {seconds_to_ms(found.ttft_s):.0f} ms, E2E {found.e2e_s:.2f} s"
        return f"no SLO was set ({latency}, {found.throughput_per_user:.1f} tokens/s per user)"
    verdict = "every SLO is met" if found.meets_slo else "not every SLO is met"
    asked = "" if found.meets_slo else f", {slo.min_probability:.0%} asked"
    return f"{verdict} (probability {found.slo_probability:.0%}{asked}): {', '.join(clauses)}"


def _margin(share: float) -> str:
    return f"{share:.0%} to spare" if share >= 0 else f"missed by {-share:.0%}"
