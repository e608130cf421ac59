"""Gather: keep the first result of every part; when all are in, or the deadline passed, rank and end the workflow."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from budsim.core.errors import SimulationTimedOut
from budsim.core.ranking.recommendation import Completion, Failure, MissingPart, Recommendation
from budsim.core.search.blacklist import barred_configuration
from budsim.core.search.part import Blacklist, Part, PartResult
from budsim.services.plan import FailurePorts, end_failed
from budsim.services.ports import (
    Clock,
    Messages,
    Outbox,
    StepProgress,
    StoredPart,
    WorkflowStatus,
    WorkflowStore,
    WorkflowTransaction,
)

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
            parts = await workflow.parts()
            done = sum(stored.result is not None for stored in parts)
            await self._report(workflow, done, len(parts))
            if done == len(parts):
                await self._finish(workflow, parts)
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

    async def _report(self, workflow: WorkflowTransaction, done: int, total: int) -> None:
        """Write RUNNING whenever a commit crosses 25, 50 or 75 %."""
        before, now = 100 * (done - 1) // total, 100 * done // total
        if before // QUARTER_PERCENT < now // QUARTER_PERCENT and done < total:
            await workflow.progress(
                StepProgress(
                    event="performance_estimation",
                    title="Performance estimation",
                    message=f"{done} of {total} parts are judged",
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
        found = f"{len(recommendation.clusters)} clusters are ranked"
        await workflow.progress(StepProgress(event="ranking", title="Ranking", message=found, status="COMPLETED"))
        await workflow.progress(
            StepProgress(event="results", title="Results", message=found, status="COMPLETED", result=recommendation, percent=100)
        )
        status = WorkflowStatus.COMPLETED if recommendation.completion is Completion.COMPLETED else WorkflowStatus.PARTIAL
        await workflow.finish(status, recommendation)
        await workflow.emit([self._messages.recommendation(recommendation)])

    async def _recommendation(self, workflow: WorkflowTransaction, parts: Sequence[StoredPart]) -> Recommendation:
        blacklists = {item.key: item for item in await workflow.blacklisted(sorted({stored.part.key for stored in parts}))}
        now_s = self._clock.now_s()
        results = [
            _less_blacklisted(stored.part, stored.result, blacklists.get(stored.part.key), now_s) for stored in parts if stored.result
        ]
        return rank(workflow.request.spread, parts, results, notes=workflow.notes, created_s=now_s)

    async def _time_out(self, workflow: WorkflowTransaction, parts: Sequence[StoredPart]) -> None:
        failure = Failure(
            code=SimulationTimedOut.code,
            message=f"none of {len(parts)} parts finished within {workflow.request.deadline_s:g} s",
            remedy="raise deadline_s, or ask with simulation_method heuristic",
        )
        await end_failed(workflow, workflow.request, ports=self._failure_ports(), failure=failure, step="performance_estimation")

    def _failure_ports(self) -> FailurePorts:
        return FailurePorts(messages=self._messages, clock=self._clock)


def rank(spread: bool, parts: Sequence[StoredPart], results: Sequence[PartResult], *, notes: object, created_s: float) -> Recommendation:
    """Return the ranked answer of parts and results, naming what is missing."""
    raise NotImplementedError


def _less_blacklisted(part: Part, result: PartResult, blacklist: Blacklist | None, now_s: float) -> PartResult:
    """Drop what feedback barred while the part was being computed."""
    if blacklist is None or not blacklist.entries:
        return result
    barred = {
        entry.config_id
        for entry in blacklist.entries
        for configuration in result.configurations
        if barred_configuration(entry, part, configuration, now_s=now_s)
    }
    if not barred:
        return result
    keep = tuple(
        configuration
        for configuration in result.configurations
        if not any(barred_configuration(entry, part, configuration, now_s=now_s) for entry in blacklist.entries)
    )
    return replace(result, configurations=keep, excluded=tuple(sorted({*result.excluded, *barred})))


def missing_parts(parts: Iterable[StoredPart]) -> tuple[MissingPart, ...]:
    """Return the parts without a result."""
    return tuple(
        MissingPart(
            part_id=stored.part.part_id,
            cluster_id=stored.part.group.cluster_id,
            device_type=stored.part.group.device_label,
            engine=stored.part.engine.kind,
        )
        for stored in parts
        if stored.result is None
    )


def _closing_steps(parts: int) -> tuple[StepProgress, ...]:
    return (
        StepProgress(
            event="performance_estimation",
            title="Performance estimation",
            message=f"{parts} parts are judged",
            status="COMPLETED",
            percent=100,
        ),
        StepProgress(event="ranking", title="Ranking", message="Clusters are being ranked", status="STARTED"),
    )
