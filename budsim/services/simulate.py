"""Simulate: plan, evaluate, search and rank in one process, by the same functions the stream uses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from budsim.core.errors import BudSimError
from budsim.core.memory.plan import MemoryModel
from budsim.core.ranking.recommendation import Completion, Failure, Recommendation, Rejection
from budsim.core.ranking.so_far import best_so_far
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Part, PartResult, SearchTask
from budsim.core.workload import Workload
from budsim.services.gather import ranked
from budsim.services.plan import failure_of, inline_clusters, named, nothing_to_compute
from budsim.services.ports import ModelSource, StoredCluster, StoredPart, leader_of
from budsim.services.request import SimulationRequest
from budsim.services.split import Split, SplitPolicy, Surroundings, split


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """How far a request is.

    Attributes:
        done: Parts that are judged, of `total`.
        best: The best that was found so far, in words; empty while nothing was.
    """

    done: int
    total: int
    best: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCompute:
    """How parts are computed, and who is told after each."""

    memory: MemoryModel
    search: Callable[[SearchTask], PartResult]
    tell: Callable[[Advance], None] = lambda _: None


async def simulate_request(
    request: SimulationRequest,
    *,
    models: ModelSource,
    clusters: Sequence[StoredCluster],
    policy: SplitPolicy,
    compute: PartCompute,
    now_s: float,
) -> Recommendation:
    """Return the answer the stream would give for these clusters."""
    try:
        planned = await planned_request(request, models=models, clusters=clusters, policy=policy, now_s=now_s)
    except BudSimError as error:
        return _failed(request, failure_of(error), now_s)
    if not planned.parts:
        rejections = planned.notes.rejections
        return _failed(request, nothing_to_compute(rejections), now_s, rejections)
    stored_parts: list[StoredPart] = []
    for part in planned.parts:
        stored_parts.append(StoredPart(part=part, result=_result(part, compute, now_s)))
        compute.tell(_advance(stored_parts, request.workload, len(planned.parts)))
    results = [stored.result for stored in stored_parts if stored.result is not None]
    return ranked(request, stored_parts, results, notes=planned.notes, created_s=now_s)


async def planned_request(
    request: SimulationRequest, *, models: ModelSource, clusters: Sequence[StoredCluster], policy: SplitPolicy, now_s: float
) -> Split:
    """Return the parts of a request on these clusters, or on those it brings.

    Raises:
        BudSimError: The model or the cluster is not known.
    """
    model = await models.resolve(request.model_uri)
    offered = inline_clusters(request, now_s=now_s) if request.clusters else clusters
    wanted = named(request, [stored for stored in offered if request.cluster_id in (None, stored.cluster.id)])
    around = Surroundings(clusters=wanted, prices={}, blacklist_versions={}, now_s=now_s)
    return split(request, model, around, policy)


def _result(part: Part, compute: PartCompute, now_s: float) -> PartResult:
    found = narrow(part, (), compute.memory, now_s=now_s)
    return compute.search(found) if isinstance(found, SearchTask) else found


def _advance(judged: Sequence[StoredPart], workload: Workload, total: int) -> Advance:
    leaders = [leader for stored in judged if (leader := leader_of(stored)) is not None]
    return Advance(done=len(judged), total=total, best=best_so_far(leaders, workload))


def _failed(request: SimulationRequest, failure: Failure, now_s: float, rejections: tuple[Rejection, ...] = ()) -> Recommendation:
    return Recommendation(
        workflow_id=str(request.workflow_id),
        completion=Completion.FAILED,
        clusters=(),
        rejected=rejections,
        failure=failure,
        created_s=now_s,
    )
