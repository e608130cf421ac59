"""Of the changes that parts of a cluster found, the nearest of each kind; and what its groups do together."""

from collections.abc import Iterable

from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.search.change import Change, ChangeKind, JudgedBy
from budsim.core.search.part import Layout, PartResult
from budsim.core.search.space import concurrency_grid, replicas_held
from budsim.core.search.sweep import for_users


def nearest(results: Iterable[PartResult], *, more: Iterable[Change] = ()) -> tuple[Change, ...]:
    """Return the least change of each kind over all parts, the least first; of those with which the target is carried within the SLOs.

    Args:
        results: Of the cluster's parts.
        more: Changes of the whole cluster.
    """
    found: dict[tuple[ChangeKind, ...], Change] = {}
    for change in (*more, *(change for result in results for change in result.changes)):
        if change.judged_by is not JudgedBy.PREDICTION:
            continue
        kinds = (change.kind, *(each.kind for each in change.also))
        known = found.get(kinds)
        if known is None or change.distance < known.distance:
            found[kinds] = change
    return tuple(sorted(found.values(), key=lambda change: (change.distance, change.kind)))


def fewer_users(best: Deployment) -> tuple[Change, ...]:
    """Return the users that all groups of a cluster carry together, as a change of a target they do not carry.

    A request for so many users looks at the same loads of the same layouts, or it is not told; predictions do not depend on the target,
    so it is answered with these or with something that reaches further.
    """
    users, loads = best.users, best.members[0].part.workload
    planned = loads.request_rate_per_s is None and all(_is_planned(item, users) for item in best.members)
    if len(best.members) == 1 or not planned or not best.meets_slo:
        return ()
    sentence = f"ask for at most {users} users (all its hardware groups together)"
    return (Change(kind=ChangeKind.USERS, asked=float(best.target), needed=float(users), sentence=sentence),)


def _is_planned(item: RankedConfiguration, users: int) -> bool:
    candidate, part = item.configuration.candidate, for_users(item.part, users)
    layout = Layout(tensor_parallel=candidate.tensor_parallel, pipeline_parallel=candidate.pipeline_parallel)
    return candidate.concurrency in concurrency_grid(part, max_replicas=replicas_held(part, layout))
