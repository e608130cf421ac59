"""PostgresWorkflows: workflows and their parts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from budsim.core.ranking.recommendation import Recommendation
from budsim.core.search.part import Blacklist, Part, PartResult
from budsim.services.causation import following
from budsim.services.ports import Messages, OutgoingMessage, PartClaim, PlanNotes, Stage, StepProgress, StoredPart, WorkflowStatus
from budsim.services.request import SimulationRequest
from budsim.storage.blacklist import read_blacklists
from budsim.storage.engine import Sessions, transaction
from budsim.storage.results import result_rows
from budsim.storage.schema import PartRow, WorkflowRow
from budsim.storage.values import NOTES, PART, PART_RESULT, RECOMMENDATION, REQUEST, dumped, outbox_row

CHANNEL = "budsim_workflow"
OPEN = (WorkflowStatus.PENDING.value, WorkflowStatus.RUNNING.value)


class LockedWorkflow:
    """One workflow row under FOR UPDATE."""

    def __init__(self, session: AsyncSession, row: WorkflowRow, messages: Messages) -> None:
        self._session = session
        self._row = row
        self._messages = messages
        self._request = REQUEST.validate_python(row.request)

    @property
    def request(self) -> SimulationRequest:
        """The stored request."""
        return self._request

    @property
    def status(self) -> WorkflowStatus:
        """The present state."""
        return WorkflowStatus(self._row.status)

    @property
    def notes(self) -> PlanNotes:
        """What plan left for gather."""
        return NOTES.validate_python(self._row.notes) if self._row.notes else PlanNotes()

    async def plan(self, parts: Sequence[Part], notes: PlanNotes, *, deadline_s: float) -> None:
        """Store parts and notes, set RUNNING and the deadline."""
        self._row.status = WorkflowStatus.RUNNING
        self._row.notes = dumped(NOTES, notes)
        self._row.parts_total = len(parts)
        self._row.deadline_at = datetime.fromtimestamp(deadline_s, tz=UTC)
        self._session.add_all(
            PartRow(
                id=UUID(part.part_id),
                workflow_id=self._row.id,
                key=part.key,
                cluster_id=part.group.cluster_id,
                device_type=part.group.device_label,
                engine=part.engine.kind.value,
                part=dumped(PART, part),
            )
            for part in parts
        )
        await self._session.flush()

    async def record(self, result: PartResult) -> bool:
        """Keep the first result of a part."""
        first = (
            update(PartRow)
            .where(PartRow.id == UUID(result.part_id), PartRow.workflow_id == self._row.id, PartRow.result.is_(None))
            .values(result=dumped(PART_RESULT, result))
            .returning(PartRow.id)
        )
        kept = (await self._session.execute(first)).scalar() is not None
        if kept:
            self._row.parts_done += 1
        return kept

    async def parts(self) -> Sequence[StoredPart]:
        """Return all parts with their results."""
        rows = await self._session.execute(
            select(PartRow.part, PartRow.result).where(PartRow.workflow_id == self._row.id).order_by(PartRow.id)
        )
        return [
            StoredPart(part=PART.validate_python(part), result=PART_RESULT.validate_python(result) if result else None)
            for part, result in rows
        ]

    async def progress(self, step: StepProgress) -> None:
        """Add a progress event with the next seq."""
        seq = self._row.seq
        self._row.seq = seq + 1
        await self.emit(self._messages.progress(self._request, step, seq))

    async def emit(self, messages: Sequence[OutgoingMessage]) -> None:
        """Add messages to the outbox, after what is there."""
        for message in messages:
            self._session.add(outbox_row(str(self._row.id), message))
            await self._session.flush()

    async def blacklisted(self, config_keys: Sequence[str]) -> Sequence[Blacklist]:
        """Return the current blacklists of these keys."""
        return await read_blacklists(self._session, config_keys)

    async def finish(self, status: WorkflowStatus, recommendation: Recommendation) -> None:
        """Set the terminal state, store the rows, notify listeners; a terminal state stays as it is."""
        if self.status.is_terminal:
            return
        self._row.status = status
        self._row.finished_at = datetime.now(tz=UTC)
        self._row.result = dumped(RECOMMENDATION, recommendation)
        self._session.add_all(result_rows(self._request, recommendation))
        await self._session.flush()
        await self._session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(self._row.id)})


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
            "request": dumped(REQUEST, request),
        }
        async with transaction(self._sessions) as session:
            added = insert(WorkflowRow).values(**values).on_conflict_do_nothing().returning(WorkflowRow.id)
            return (await session.execute(added)).scalar() is not None

    @asynccontextmanager
    async def locked(self, workflow_id: UUID) -> AsyncIterator[LockedWorkflow | None]:
        """Lock one workflow for the length of a transaction."""
        async with transaction(self._sessions) as session:
            row = await session.get(WorkflowRow, workflow_id, with_for_update=True)
            yield LockedWorkflow(session, row, self._messages) if row is not None and row.request is not None else None

    async def claim_part(self, part_id: str, stage: Stage) -> PartClaim:
        """Count an attempt and say whether the part is still wanted."""
        column = PartRow.evaluate_attempts if stage is Stage.EVALUATE else PartRow.search_attempts
        claim = (
            update(PartRow)
            .where(PartRow.id == UUID(part_id), WorkflowRow.id == PartRow.workflow_id)
            .values({column: column + 1})
            .returning(column, PartRow.result.is_(None), WorkflowRow.status)
        )
        async with transaction(self._sessions) as session:
            found = (await session.execute(claim)).first()
        if found is None:
            return PartClaim(known=False, open=False, attempts=0)
        attempts, unanswered, status = found
        return PartClaim(known=True, open=bool(unanswered) and status == WorkflowStatus.RUNNING, attempts=attempts)

    async def cancel(self, workflow_id: UUID) -> WorkflowStatus:
        """Set CANCELLED unless terminal; an unknown id is inserted as CANCELLED."""
        cancelled = {"status": WorkflowStatus.CANCELLED.value, "finished_at": datetime.now(tz=UTC)}
        async with transaction(self._sessions) as session:
            added = insert(WorkflowRow).values(id=workflow_id, **cancelled)
            upsert = added.on_conflict_do_update(index_elements=[WorkflowRow.id], set_=cancelled, where=WorkflowRow.status.in_(OPEN))
            await session.execute(upsert)
            await session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(workflow_id)})
            status = await session.scalar(select(WorkflowRow.status).where(WorkflowRow.id == workflow_id))
        return WorkflowStatus(status or WorkflowStatus.CANCELLED)

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
