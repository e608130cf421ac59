"""Of the changes that parts of a cluster found, the nearest of each kind."""

from collections.abc import Iterable

from budsim.core.search.change import Change, ChangeKind, JudgedBy
from budsim.core.search.part import PartResult


def nearest(results: Iterable[PartResult]) -> tuple[Change, ...]:
    """Return the least change of each kind over all parts, the least first; of those with which the target is carried within the SLOs."""
    found: dict[ChangeKind, Change] = {}
    for change in (change for result in results for change in result.changes):
        if change.judged_by is not JudgedBy.PREDICTION:
            continue
        known = found.get(change.kind)
        if known is None or change.distance < known.distance:
            found[change.kind] = change
    return tuple(sorted(found.values(), key=lambda change: (change.distance, change.kind)))
