"""Sweep: the answers to one request for many loads or lengths, as a curve with its knee."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from budsim.core.errors import InvalidInput, NoCompatibleEngine
from budsim.core.memory.plan import MemoryModel
from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.knee import knee
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.ranking.recommendation import Recommendation
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Part, PartResult, SearchTask
from budsim.core.search.sweep import for_users
from budsim.core.workload import Workload
from budsim.services.plan import nothing_to_compute
from budsim.services.request import SimulationRequest
from budsim.services.split import Split

MOST_POINTS = 200


class Axis(StrEnum):
    """What is swept."""

    CONCURRENCY = "concurrency"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What is swept over which values, ascending."""

    axis: Axis
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """The best deployment for one value; None where nothing carries it, and why."""

    value: int
    deployment: Deployment | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A curve.

    Attributes:
        knee: Index of the point from which more users hardly make a token cheaper; None for other axes and straight curves.
        notes: Where parts were not predicted as asked.
    """

    axis: Axis
    points: tuple[SweepPoint, ...]
    knee: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCompute:
    """How parts are computed: one at a time, or for many numbers of users in one batch."""

    memory: MemoryModel
    search: Callable[[SearchTask], PartResult]
    search_users: Callable[[SearchTask, Sequence[int]], tuple[PartResult, ...]]


def sweep(request: SimulationRequest, planned: Split, plan: SweepPlan, compute: SweepCompute, *, now_s: float) -> Sweep:
    """Return the curve of a request whose parts are planned.

    Each point is the answer that a request with that value would get from the direct search, the cluster ranked first.

    Args:
        request: All but the swept value.
        planned: Its parts.
        plan: What is swept.
        compute: Computes parts.
        now_s: Present time. [unix s]

    Raises:
        InvalidInput: No value, or too many.
        NoCompatibleEngine: The request has no part.
    """
    if not 1 <= len(plan.values) <= MOST_POINTS:
        raise InvalidInput(f"--sweep has {len(plan.values)} values", param="sweep", remedy=f"give 1 to {MOST_POINTS}")
    if not planned.parts:
        failure = nothing_to_compute(planned.notes.rejections)
        raise NoCompatibleEngine(failure.message, remedy=failure.remedy)
    columns = [_column(replace(part, settings=replace(part.settings, top_k=1)), plan, compute, now_s) for part in planned.parts]
    points = tuple(_point(request, value, row, planned) for value, row in zip(plan.values, zip(*columns, strict=True), strict=True))
    notes = dict.fromkeys(result.method_note for column in columns for _, result in column if result.method_note)
    bend = _knee(points) if plan.axis is Axis.CONCURRENCY else None
    return Sweep(axis=plan.axis, points=points, knee=bend, notes=tuple(notes))


def _column(part: Part, plan: SweepPlan, compute: SweepCompute, now_s: float) -> list[tuple[Part, PartResult]]:
    """Return what is found for a part at each value."""
    if plan.axis is Axis.CONCURRENCY:
        return _over_users(part, plan.values, compute, now_s)
    return [_over_lengths(part, plan.axis, value, compute, now_s) for value in plan.values]


def _over_users(part: Part, users: Sequence[int], compute: SweepCompute, now_s: float) -> list[tuple[Part, PartResult]]:
    asked = [for_users(part, count) for count in users]
    task = narrow(asked[0], (), compute.memory, now_s=now_s)
    found = [task] * len(users) if isinstance(task, PartResult) else compute.search_users(task, users)
    return list(zip(asked, found, strict=True))


def _over_lengths(part: Part, axis: Axis, value: int, compute: SweepCompute, now_s: float) -> tuple[Part, PartResult]:
    asked = replace(part, workload=_of_length(part.workload, axis, value))
    task = narrow(asked, (), compute.memory, now_s=now_s)
    return asked, task if isinstance(task, PartResult) else compute.search(task)


def _of_length(load: Workload, axis: Axis, value: int) -> Workload:
    return replace(load, input_tokens=value) if axis is Axis.INPUT_TOKENS else replace(load, output_tokens=value)


def _point(request: SimulationRequest, value: int, found: Sequence[tuple[Part, PartResult]], planned: Split) -> SweepPoint:
    answer: Recommendation = recommend(
        Findings(
            workflow_id=str(request.workflow_id),
            slo=request.slo,
            parts=[part for part, _ in found],
            results=[result for _, result in found],
            rejections=planned.notes.rejections,
            top_k=1,
        )
    )
    if answer.clusters:
        return SweepPoint(value=value, deployment=Deployment(members=answer.clusters[0].deployed))
    return SweepPoint(value=value, deployment=None, reason=answer.failure.message if answer.failure else "")


def _knee(points: Sequence[SweepPoint]) -> int | None:
    """Return the knee of the least price reached so far over the users: a replica more may cost a little again."""
    there = [(index, point.value, point.deployment) for index, point in enumerate(points) if point.deployment is not None]
    lowest: list[float] = []
    for _, _, deployment in there:
        lowest.append(min([*lowest[-1:], deployment.cost_per_million_tokens]))
    found = knee([value for _, value, _ in there], lowest)
    return None if found is None else there[found][0]
