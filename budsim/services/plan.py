"""Plan: validate, resolve the model, find the clusters, split into parts, and start the workflow."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from budsim.core.errors import BudSimError, ClusterNotFound, NoCompatibleEngine, Unavailable
from budsim.core.ranking.recommendation import Completion, Failure, Recommendation, Rejection
from budsim.services.ports import (
    BlacklistStore,
    Clock,
    ClusterStore,
    Messages,
    ModelSource,
    Outbox,
    PlanNotes,
    PriceStore,
    StepProgress,
    StoredCluster,
    TopicEnds,
    WorkflowStatus,
    WorkflowStore,
    WorkflowTransaction,
)
from budsim.services.request import SimulationRequest
from budsim.services.split import Split, SplitPolicy, Surroundings, split

POLL_S = 0.1  # how often offsets are looked at while a cluster may still be on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPorts:
    """What plan touches."""

    models: ModelSource
    clusters: ClusterStore
    cluster_ends: TopicEnds
    workflows: WorkflowStore
    blacklists: BlacklistStore
    prices: PriceStore
    outbox: Outbox
    messages: Messages
    clock: Clock


class Planner:
    """Starts workflows; every effect of one request is one transaction."""

    def __init__(self, ports: PlanPorts, policy: SplitPolicy, *, cluster_wait_s: float) -> None:
        self._ports = ports
        self._policy = policy
        self._cluster_wait_s = cluster_wait_s

    async def plan(self, request: SimulationRequest) -> None:
        """Take the workflow once: start its parts, or end it as failed with reason and remedy."""
        ports = self._ports
        await ports.workflows.insert_if_absent(request)
        try:
            planned = await self._prepare(request)
        except Unavailable:
            raise
        except BudSimError as error:
            await self._end(request, failure_of(error), rejections=())
        else:
            if planned.parts:
                await self._start(request, planned)
            else:
                await self._end(request, nothing_to_compute(planned.notes.rejections), rejections=planned.notes.rejections)
        await ports.outbox.publish(str(request.workflow_id))

    async def refuse(self, workflow_id: UUID, failure: Failure) -> bool:
        """End a known workflow whose request cannot be taken; False when the id is not known."""
        async with self._ports.workflows.locked(workflow_id) as workflow:
            known = workflow is not None
            if workflow is not None and not workflow.status.is_terminal:
                await end_failed(workflow, workflow.request, ports=self._ports, failure=failure, step="validation")
        await self._ports.outbox.publish(str(workflow_id))
        return known

    async def _prepare(self, request: SimulationRequest) -> Split:
        ports = self._ports
        model = await ports.models.resolve(request.model_uri)
        clusters = await self._clusters(request)
        now_s = ports.clock.now_s()
        around = Surroundings(clusters=clusters, prices=await ports.prices.all(now_s=now_s), blacklist_versions={}, now_s=now_s)
        planned = split(request, model, around, self._policy)
        versions = await ports.blacklists.versions(sorted({part.key for part in planned.parts}))
        if not versions:
            return planned
        versioned = Surroundings(clusters=clusters, prices=around.prices, blacklist_versions=versions, now_s=around.now_s)
        return split(request, model, versioned, self._policy)

    async def _clusters(self, request: SimulationRequest) -> Sequence[StoredCluster]:
        """Return inline clusters, or the known ones once the store has caught up with the topic."""
        ports = self._ports
        if request.clusters:
            return named(request, inline_clusters(request, now_s=ports.clock.now_s()))
        if request.cluster_id is not None:
            return named(request, await self._one(request.cluster_id))
        await self._caught_up()
        return named(request, await ports.clusters.all())

    async def _one(self, cluster_id: str) -> Sequence[StoredCluster]:
        """Return the cluster; one that nobody knows yet may be about to be reported, and is waited for until the bound."""
        deadline_s = asyncio.get_running_loop().time() + self._cluster_wait_s
        while (found := await self._ports.clusters.find(cluster_id)) is None:
            if asyncio.get_running_loop().time() >= deadline_s:
                return []
            await asyncio.sleep(POLL_S)
        return [found]

    async def _caught_up(self) -> None:
        """Wait, at most the bound, until the store has what the topic held when the request was taken up."""
        ends = await self._ports.cluster_ends.end_offsets()
        deadline_s = asyncio.get_running_loop().time() + self._cluster_wait_s
        while asyncio.get_running_loop().time() < deadline_s:
            stored = await self._ports.clusters.offsets()
            if all(end == 0 or stored.get(partition, -1) >= end - 1 for partition, end in ends.items()):
                return
            await asyncio.sleep(POLL_S)

    async def _start(self, request: SimulationRequest, planned: Split) -> None:
        ports = self._ports
        async with ports.workflows.locked(request.workflow_id) as workflow:
            if workflow is None or workflow.status is not WorkflowStatus.PENDING:
                return
            await workflow.plan(planned.parts, planned.notes, deadline_s=ports.clock.now_s() + request.deadline_s)
            for step in opening_steps(planned.notes):
                await workflow.progress(step)
            await workflow.emit([ports.messages.evaluation(part) for part in planned.parts])

    async def _end(self, request: SimulationRequest, failure: Failure, *, rejections: tuple[Rejection, ...]) -> None:
        ports = self._ports
        async with ports.workflows.locked(request.workflow_id) as workflow:
            if workflow is None or workflow.status is not WorkflowStatus.PENDING:
                return
            for step in (_METADATA, _VALIDATION):
                await workflow.progress(step)
            await end_failed(workflow, request, ports=ports, failure=failure, step="validation", rejections=rejections)


async def end_failed(
    workflow: WorkflowTransaction,
    request: SimulationRequest,
    *,
    ports: "PlanPorts | FailurePorts",
    failure: Failure,
    step: str,
    rejections: tuple[Rejection, ...] = (),
) -> None:
    """End a locked workflow as failed: progress, state and the answer, all in its transaction."""
    recommendation = Recommendation(
        workflow_id=str(request.workflow_id),
        completion=Completion.FAILED,
        clusters=(),
        rejected=rejections,
        failure=failure,
        created_s=ports.clock.now_s(),
    )
    text = f"{failure.message}. {failure.remedy}".strip()
    await workflow.progress(
        StepProgress(event=step, title=step.replace("_", " ").capitalize(), message=text, status="FAILED", primary_action="retry")
    )
    await workflow.finish(WorkflowStatus.FAILED, recommendation)
    await workflow.emit([ports.messages.recommendation(recommendation)])


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePorts:
    """The least that ending a workflow takes."""

    messages: Messages
    clock: Clock


def inline_clusters(request: SimulationRequest, *, now_s: float) -> Sequence[StoredCluster]:
    """Return those of the clusters sent with the request that it asks for, as reported now. [unix s]"""
    wanted = (cluster for cluster in request.clusters if request.cluster_id in (None, cluster.id))
    return [StoredCluster(cluster=cluster, updated_s=now_s) for cluster in wanted]


def named(request: SimulationRequest, found: Sequence[StoredCluster]) -> Sequence[StoredCluster]:
    """Return the clusters a request means.

    Raises:
        ClusterNotFound: There is none.
    """
    if found:
        return found
    raise ClusterNotFound(
        f"cluster_id {request.cluster_id!r} is not known" if request.cluster_id else "no cluster is known",
        param="cluster_id",
        remedy="report the cluster on clusters.v1 (budsim clusters apply FILE.json), or send it inline in `clusters`",
    )


def failure_of(error: BudSimError) -> Failure:
    """Return an error as the answer tells it."""
    return Failure(code=error.code, message=error.message, remedy=error.remedy, param=error.param)


def opening_steps(notes: PlanNotes) -> tuple[StepProgress, ...]:
    """Return the progress events that stand before the first evaluation."""
    minutes = max(1, round(notes.eta_s / 60))
    eta = StepProgress(event="eta", title="Estimated time", message=str(minutes), status="RUNNING", eta_s=notes.eta_s)
    validated = StepProgress(event="validation", title="Validation", message="The request is valid", status="COMPLETED")
    started = StepProgress(
        event="performance_estimation", title="Performance estimation", message="Candidates are being judged", status="STARTED", percent=0
    )
    return (_METADATA, _VALIDATION, eta, validated, started)


_METADATA = StepProgress(event="workflow_metadata", title="Workflow", message="The workflow was accepted", status="STARTED")
_VALIDATION = StepProgress(event="validation", title="Validation", message="The request is being checked", status="STARTED")


def nothing_to_compute(rejections: tuple[Rejection, ...]) -> Failure:
    """Return the failure of a request of which no part could be made."""
    reasons = "; ".join(f"{item.cluster_id}: {item.reason}" for item in rejections[:5]) or "no cluster has a usable device"
    incompatible = rejections and all(item.code == NoCompatibleEngine.code for item in rejections)
    remedies = [item.remedy for item in rejections if item.remedy]
    return Failure(
        code=NoCompatibleEngine.code if incompatible else "no_usable_hardware",
        message=f"no part of the clusters can run the model: {reasons}",
        remedy=remedies[0] if remedies else "report clusters with free devices of a known type",
    )
