"""Clusters and parts that do not do: why, and what would help."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from budsim.core.errors import BudSimError, DoesNotFit, NoCompatibleEngine, SimulationTimedOut
from budsim.core.ranking.cluster import Offer
from budsim.core.ranking.compare import what_runs
from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.nearest import fewer_users, nearest
from budsim.core.ranking.placement import carried_users, target_users
from budsim.core.ranking.recommendation import Failure, MissingPart, RankedConfiguration, Rejection
from budsim.core.search.change import in_words
from budsim.core.search.part import Part, PartResult, PartStatus

TARGET_NOT_CARRIED: Final = "target_not_carried"
BLACKLISTED: Final = "blacklisted"
MAX_REASONS: Final = 5  # reasons told in a failure's message; all stand in rejected[]


def part_rejection(part: Part, result: PartResult) -> Rejection:
    """Return why a part has no configuration."""
    infeasible = BLACKLISTED if result.excluded else DoesNotFit.code
    return Rejection(
        cluster_id=part.group.cluster_id,
        reason=result.reason,
        remedy=result.remedy,
        device_type=part.group.device_label,
        engine=part.engine.kind,
        code=BudSimError.code if result.status is PartStatus.FAILED else infeasible,
        changes=result.changes,
    )


def too_small(offer: Offer) -> Rejection:
    """Return why a cluster whose deployment leaves users unserved is not recommended, and what would be enough."""
    best = offer.deployment
    changes = nearest(offer.results, more=fewer_users(best))
    group = offer.deployed[0].part.group
    alone = len(offer.deployed) == 1
    return Rejection(
        cluster_id=group.cluster_id,
        reason=f"carries {best.users} of {best.target} users: {_alone(offer.deployed[0]) if alone else _all(best)}",
        remedy=in_words(changes) or _more(offer.deployed[0]),
        device_type=group.device_label if alone else None,
        engine=offer.deployed[0].part.engine.kind if alone else None,
        code=TARGET_NOT_CARRIED,
        changes=changes,
    )


def _alone(best: RankedConfiguration) -> str:
    group, candidate = best.part.group, best.configuration.candidate
    layout = f"TP={candidate.tensor_parallel}, PP={candidate.pipeline_parallel}"
    return (
        f"{group.total_devices} free × {group.device_name} hold {best.replicas} replica(s) of "
        f"{best.part.engine.kind} at {layout} with {candidate.concurrency} users each"
    )


def _all(best: Deployment) -> str:
    return f"all its hardware groups together hold {what_runs(best)}"


def _more(best: RankedConfiguration) -> str:
    """Return the replicas that would carry the target, which holds by the same prediction: they do not share devices."""
    candidate = best.configuration.candidate
    replicas = ceil(target_users(best) / candidate.concurrency)
    devices = replicas * candidate.devices
    shape = f"{replicas} replicas of {candidate.devices}" if candidate.devices > 1 else f"{replicas} replicas"
    return f"offer {devices} × {best.part.group.device_name} ({shape}), or ask for at most {_most(best, carried_users(best))}"


def failure(rejected: Sequence[Rejection], missing: Sequence[MissingPart]) -> Failure:
    """Return why a workflow has no recommendation: every reason, and the remedies."""
    if not rejected:
        return _timed_out(missing)
    reasons = list(dict.fromkeys(f"{item.cluster_id}: {item.reason}" for item in rejected))
    more = f"; and {len(reasons) - MAX_REASONS} more" if len(reasons) > MAX_REASONS else ""
    remedies = list(dict.fromkeys(item.remedy for item in rejected if item.remedy))
    late = f"; {len(missing)} part(s) did not answer in time" if missing else ""
    return Failure(
        code=_code(rejected),
        message=f"no cluster can serve this request: {'; '.join(reasons[:MAX_REASONS])}{more}{late}",
        remedy="; or ".join(remedies[:MAX_REASONS]),
    )


def _most(best: RankedConfiguration, carried: int) -> str:
    rate = best.part.workload.request_rate_per_s
    return f"{carried} users" if rate is None else f"{carried / best.configuration.e2e_s:.3g} requests/s"


def _timed_out(missing: Sequence[MissingPart]) -> Failure:
    if not missing:
        return Failure(
            code=NoCompatibleEngine.code,
            message="no engine and device of the known clusters can run this model",
            remedy="offer a free device of a known type, or leave `engines` open",
        )
    return Failure(
        code=SimulationTimedOut.code,
        message=f"none of {len(missing)} parts finished before the deadline",
        remedy="raise deadline_s, or ask with simulation_method heuristic",
    )


def _code(rejected: Sequence[Rejection]) -> str:
    """What most plainly stands in the way: a target too high, else memory, else whatever came first."""
    codes = {item.code for item in rejected}
    telling = (code for code in (TARGET_NOT_CARRIED, DoesNotFit.code) if code in codes)
    return next(telling, rejected[0].code)
