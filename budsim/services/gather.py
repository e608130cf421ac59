"""Gather: keep the first result of every part; when all are in, or the deadline passed, rank and end the workflow."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from budsim.core.errors import BudSimError, MessageTooLarge, SimulationTimedOut
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.ranking.recommendation import Completion, Failure, Recommendation
from budsim.core.ranking.shorten import shortened
from budsim.core.ranking.so_far import best_so_far
from budsim.core.search.blacklist import without_barred
from budsim.core.search.part import PartResult
from budsim.services.plan import FailurePorts, end_failed, failure_of
from budsim.services.ports import (
    Clock,
    Messages,
    Outbox,
    PlanNotes,
    StepProgress,
    StoredPart,
    WorkflowStatus,
    WorkflowStore,
    WorkflowTransaction,
)
from budsim.services.request import SimulationRequest

QUARTER_PERCENT = 25


class Gatherer:
    """Ends workflows; every decision is taken under the lock of the workflow's row."""

    def __init__(self, *, workflows: WorkflowStore, outbox: Outbox, messages: Messages, clock: Clock) -> None:
        self._workflows = workflows
        self._outbox = outbox
        self._messages = messages
        self._clock = clock

    async def part_finished(self, workflow_id: UUID, result: PartResult) -> None:
        """Keep a part's result; end the workflow with the last one."""
        async with self._workflows.locked(workflow_id) as workflow:
            if workflow is None or workflow.status is not WorkflowStatus.RUNNING or not await workflow.record(result):
                return
            await self._report(workflow, workflow.parts_done, workflow.parts_total)
            if workflow.parts_done == workflow.parts_total:
                await self._finish(workflow, await workflow.parts())
        await self._outbox.publish(str(workflow_id))

    async def deadline_reached(self, workflow_id: UUID) -> None:
        """End a workflow with what is there; without any result it timed out."""
        async with self._workflows.locked(workflow_id) as workflow:
            if workflow is None or workflow.status is not WorkflowStatus.RUNNING:
                return
            parts = await workflow.parts()
            if any(stored.result is not None for stored in parts):
                await self._finish(workflow, parts)
            else:
                await self._time_out(workflow, parts)
        await self._outbox.publish(str(workflow_id))

    async def give_up(self, workflow_id: UUID, error: BudSimError) -> None:
        """End a workflow whose news could not be taken in: nothing else would ever end it."""
        async with self._workflows.locked(workflow_id) as workflow:
            if workflow is None or workflow.status is not WorkflowStatus.RUNNING:
                return
            await end_failed(workflow, workflow.request, ports=self._failure_ports(), failure=failure_of(error), step="ranking")
        await self._outbox.publish(str(workflow_id))

    async def _report(self, workflow: WorkflowTransaction, done: int, total: int) -> None:
        """Write RUNNING, with the best that was found by then, whenever a commit crosses 25, 50 or 75 %."""
        before, now = 100 * (done - 1) // total, 100 * done // total
        if before // QUARTER_PERCENT < now // QUARTER_PERCENT and done < total:
            found = best_so_far(await workflow.leaders(), workflow.request.workload)
            await workflow.progress(
                StepProgress(
                    event="performance_estimation",
                    title="Performance estimation",
                    message="; ".join(filter(None, (f"{done} of {total} parts are judged", found))),
                    status="RUNNING",
                    percent=now,
                )
            )

    async def _finish(self, workflow: WorkflowTransaction, parts: Sequence[StoredPart]) -> None:
        recommendation = await self._recommendation(workflow, parts)
        for step in _closing_steps(len(parts)):
            await workflow.progress(step)
        if recommendation.failure is not None:
            failure = recommendation.failure
            await end_failed(
                workflow, workflow.request, ports=self._failure_ports(), failure=failure, step="ranking", rejections=recommendation.rejected
            )
            return
        try:
            await self._answer(workflow, recommendation)
        except MessageTooLarge as error:
            await end_failed(workflow, workflow.request, ports=self._failure_ports(), failure=failure_of(error), step="results")

    async def _answer(self, workflow: WorkflowTransaction, recommendation: Recommendation) -> None:
        """End the workflow with its answer: whole in the store, and as much of it in the events as they take."""
        found = f"{len(recommendation.clusters)} clusters are ranked"
        await workflow.progress(StepProgress(event="ranking", title="Ranking", message=found, status="COMPLETED"))
        sent = await _report_results(workflow, recommendation, found)
        status = WorkflowStatus.COMPLETED if recommendation.completion is Completion.COMPLETED else WorkflowStatus.PARTIAL
        await workflow.finish(status, recommendation)
        await workflow.emit([self._messages.recommendation(sent)])

    async def _recommendation(self, workflow: WorkflowTransaction, parts: Sequence[StoredPart]) -> Recommendation:
        blacklists = {item.key: item for item in await workflow.blacklisted(sorted({stored.part.key for stored in parts}))}
        now_s = self._clock.now_s()
        results = []
        for stored in parts:
            if stored.result is not None:
                blacklist = blacklists.get(stored.part.key)
                entries = blacklist.entries if blacklist else ()
                results.append(without_barred(stored.part, stored.result, entries, now_s=now_s))
        return ranked(workflow.request, parts, results, notes=workflow.notes, created_s=now_s)

    async def _time_out(self, workflow: WorkflowTransaction, parts: Sequence[StoredPart]) -> None:
        failure = Failure(
            code=SimulationTimedOut.code,
            message=f"none of {len(parts)} parts finished within {workflow.request.deadline_s:g} s",
            remedy="raise deadline_s, or ask with simulation_method heuristic",
        )
        await end_failed(workflow, workflow.request, ports=self._failure_ports(), failure=failure, step="performance_estimation")

    def _failure_ports(self) -> FailurePorts:
        return FailurePorts(messages=self._messages, clock=self._clock)


def ranked(
    request: SimulationRequest, parts: Sequence[StoredPart], results: Sequence[PartResult], *, notes: PlanNotes, created_s: float
) -> Recommendation:
    """Return the ranked answer of parts and results, naming what is missing."""
    answer = recommend(
        Findings(
            workflow_id=str(request.workflow_id),
            slo=request.slo,
            parts=[stored.part for stored in parts],
            results=results,
            rejections=notes.rejections,
            top_k=request.settings.top_k,
            spread=request.spread,
            created_s=created_s,
            warnings=notes.warnings,
        )
    )
    return replace(answer, data_version=notes.data_version)


async def _report_results(workflow: WorkflowTransaction, recommendation: Recommendation, found: str) -> Recommendation:
    """Report the results, shortened until the event takes them, and return what it took.

    Raises:
        MessageTooLarge: Not even the best configuration of each cluster can be sent.
    """
    refused: MessageTooLarge | None = None
    for answer in shortened(recommendation):
        try:
            step = StepProgress(event="results", title="Results", message=found, status="COMPLETED", result=answer, percent=100)
            await workflow.progress(step)
        except MessageTooLarge as error:
            refused = error
        else:
            return answer
    raise refused or MessageTooLarge("there is nothing to be sent")


def _closing_steps(parts: int) -> tuple[StepProgress, ...]:
    judged = f"{parts} parts are judged"
    return (
        StepProgress(event="performance_estimation", title="Performance estimation", message=judged, status="COMPLETED", percent=100),
        StepProgress(event="ranking", title="Ranking", message="Clusters are being ranked", status="STARTED"),
    )
