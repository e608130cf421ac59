"""PostgresWorkflows: workflows and their parts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Column, Table, Update, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from budsim.services.causation import following
from budsim.services.ports import Messages, PartClaim, Stage, WorkflowStatus
from budsim.services.request import SimulationRequest
from budsim.storage.engine import Sessions, autocommit, transaction
from budsim.storage.locked_workflow import CHANNEL, LockedWorkflow
from budsim.storage.schema import PartRow, WorkflowRow, table_of
from budsim.storage.values import REQUEST, jsonb, outbox_row

_WORKFLOWS: Final[Table] = table_of(WorkflowRow)
_PARTS: Final[Table] = table_of(PartRow)
OPEN = (WorkflowStatus.PENDING.value, WorkflowStatus.RUNNING.value)


def _claim(attempts: Column[int]) -> Update:
    return (
        update(_PARTS)
        .where(_PARTS.c.id == bindparam("part_id"), _WORKFLOWS.c.id == _PARTS.c.workflow_id)
        .values({attempts: attempts + 1})
        .returning(attempts, _PARTS.c.result.is_(None), _WORKFLOWS.c.status)
    )


_CLAIMS: Final = {Stage.EVALUATE: _claim(_PARTS.c.evaluate_attempts), Stage.SEARCH: _claim(_PARTS.c.search_attempts)}


class PostgresWorkflows:
    """The WorkflowStore."""

    def __init__(self, sessions: Sessions, messages: Messages) -> None:
        self._sessions = sessions
        self._messages = messages

    async def insert_if_absent(self, request: SimulationRequest) -> bool:
        """Insert as PENDING; False if the id is known."""
        values = {
            "id": request.workflow_id,
            "status": WorkflowStatus.PENDING.value,
            "project_id": request.project_id,
            "cluster_id": request.cluster_id,
            "token_id": request.token_id,
            "model_name": request.model_uri,
            "method": request.method.value,
            "request": jsonb(REQUEST, request),
        }
        added = insert(_WORKFLOWS).values(values).on_conflict_do_nothing().returning(_WORKFLOWS.c.id)
        async with autocommit(self._sessions) as session:
            return (await session.execute(added)).first() is not None

    @asynccontextmanager
    async def locked(self, workflow_id: UUID) -> AsyncIterator[LockedWorkflow | None]:
        """Lock one workflow for the length of a transaction."""
        async with transaction(self._sessions) as session:
            workflow = await LockedWorkflow.lock(session, workflow_id, self._messages)
            yield workflow
            if workflow is not None:
                await workflow.write()

    async def claim_part(self, part_id: str, stage: Stage) -> PartClaim:
        """Count an attempt and say whether the part is still wanted."""
        async with autocommit(self._sessions) as session:
            found = (await session.execute(_CLAIMS[stage], {"part_id": UUID(part_id)})).first()
        if found is None:
            return PartClaim(known=False, open=False, attempts=0)
        attempts, unanswered, status = found
        return PartClaim(known=True, open=bool(unanswered) and status == WorkflowStatus.RUNNING, attempts=attempts)

    async def cancel(self, workflow_id: UUID) -> WorkflowStatus:
        """Set CANCELLED unless terminal, and put the last events into the outbox; an unknown id is inserted as CANCELLED."""
        first = {"id": workflow_id, "status": WorkflowStatus.CANCELLED.value, "finished_at": datetime.now(tz=UTC)}
        async with transaction(self._sessions) as session:
            added = insert(_WORKFLOWS).values(first).on_conflict_do_nothing().returning(_WORKFLOWS.c.id)
            if (await session.execute(added)).first() is not None:
                session.add(outbox_row(str(workflow_id), self._messages.cancelled(workflow_id)))
            workflow = await LockedWorkflow.lock(session, workflow_id, self._messages)
            if workflow is not None:
                await workflow.cancel()
                await workflow.write()
            await session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(workflow_id)})
            return workflow.status if workflow is not None else WorkflowStatus.CANCELLED

    async def due(self, now_s: float, limit: int) -> Sequence[UUID]:
        """Announce the deadlines that have passed: mark them and put DeadlineReached into the outbox."""
        passed = (
            select(WorkflowRow)
            .where(
                WorkflowRow.status == WorkflowStatus.RUNNING,
                WorkflowRow.deadline_announced.is_(False),
                WorkflowRow.deadline_at <= datetime.fromtimestamp(now_s, tz=UTC),
            )
            .order_by(WorkflowRow.deadline_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with transaction(self._sessions) as session:
            rows = (await session.scalars(passed)).all()
            for row in rows:
                row.deadline_announced = True
                with following(None, (row.request or {}).get("traceparent")):
                    session.add(outbox_row(str(row.id), self._messages.deadline(row.id)))
            return [row.id for row in rows]

    async def now_s(self) -> float:
        """Return PostgreSQL's clock: also the cheapest proof that it answers. [unix s]"""
        async with transaction(self._sessions) as session:
            return float(await session.scalar(select(func.extract("epoch", func.now()))) or 0.0)
