"""LockedWorkflow: one workflow under its row lock; what is to be written is kept and written at the end, in few statements."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Table, Text, bindparam, cast, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from budsim.core.hardware.pricing import PURCHASE
from budsim.core.ranking.recommendation import Recommendation
from budsim.core.ranking.so_far import Leader
from budsim.core.search.part import Blacklist, Part, PartResult
from budsim.services.cancel import cancellation, cancelled_answer
from budsim.services.causation import following
from budsim.services.ports import Messages, OutgoingMessage, PlanNotes, StepProgress, StoredPart, WorkflowStatus
from budsim.services.request import SimulationRequest
from budsim.storage.blacklist import read_blacklists
from budsim.storage.results import insert_results
from budsim.storage.schema import OutboxRow, PartRow, WorkflowRow, table_of
from budsim.storage.values import CONFIGURATION, NOTES, PART, PART_RESULT, RECOMMENDATION, REQUEST, json_text, jsonb, outbox_values

CHANNEL: Final = "budsim_workflow"
_WORKFLOWS: Final[Table] = table_of(WorkflowRow)
_PARTS: Final[Table] = table_of(PartRow)
_NOTIFY: Final = select(func.pg_notify(CHANNEL, bindparam("payload", type_=Text)))
_ADD_MESSAGES: Final = insert(table_of(OutboxRow))
# JSON goes in and out as the text that pydantic writes and reads: no dictionaries between
_LOCK: Final = (
    select(
        _WORKFLOWS.c.id,
        _WORKFLOWS.c.status,
        _WORKFLOWS.c.seq,
        _WORKFLOWS.c.parts_total,
        _WORKFLOWS.c.parts_done,
        cast(_WORKFLOWS.c.request, Text).label("request"),
        cast(_WORKFLOWS.c.notes, Text).label("notes"),
    )
    .where(_WORKFLOWS.c.id == bindparam("workflow_id"))
    .with_for_update()
)
_RECORD: Final = (
    update(_PARTS)
    .where(_PARTS.c.id == bindparam("part_id"), _PARTS.c.workflow_id == bindparam("owner"), _PARTS.c.result.is_(None))
    .values(result=cast(bindparam("found", type_=Text), JSONB))
    .returning(_PARTS.c.id)
)
_ALL_PARTS: Final = (
    select(cast(_PARTS.c.part, Text), cast(_PARTS.c.result, Text)).where(_PARTS.c.workflow_id == bindparam("owner")).order_by(_PARTS.c.id)
)
_FIRST: Final = _PARTS.c.result["configurations"][0]
_LEADERS: Final = select(
    _PARTS.c.cluster_id,
    _PARTS.c.engine,
    _PARTS.c.part["group"]["device_name"].astext.label("device_name"),
    (_PARTS.c.part["price"]["source"].astext == PURCHASE).label("is_written_off"),
    cast(_FIRST, Text).label("first"),
).where(_PARTS.c.workflow_id == bindparam("owner"), _FIRST.is_not(None))
_ADD_PART: Final = insert(_PARTS).values(
    {
        **{name: bindparam(name) for name in ("id", "workflow_id", "key", "cluster_id", "device_type", "engine")},
        "part": cast(bindparam("part_text", type_=Text), JSONB),
    }
)


class LockedWorkflow:
    """One workflow row under FOR UPDATE."""

    def __init__(self, session: AsyncSession, row: Row[Any], messages: Messages) -> None:
        self._session = session
        self._id: UUID = row.id
        self._row = row
        self._messages = messages
        self._status = WorkflowStatus(row.status)
        self._seq: int = row.seq
        self._parts_done: int = row.parts_done
        self._changes: dict[str, Any] = {}
        self._outgoing: list[OutgoingMessage] = []

    @classmethod
    async def lock(cls, session: AsyncSession, workflow_id: UUID, messages: Messages) -> "LockedWorkflow | None":
        """Return the workflow once its lock is held; None if it is unknown, or cancelled before it came."""
        row = (await session.execute(_LOCK, {"workflow_id": workflow_id})).first()
        return cls(session, row, messages) if row is not None and row.request is not None else None

    @cached_property
    def request(self) -> SimulationRequest:
        """The stored request."""
        return REQUEST.validate_json(self._row.request)

    @property
    def status(self) -> WorkflowStatus:
        """The present state."""
        return self._status

    @property
    def notes(self) -> PlanNotes:
        """What plan left for gather."""
        return NOTES.validate_json(self._row.notes) if self._row.notes else PlanNotes()

    @property
    def parts_total(self) -> int:
        """How many parts plan made."""
        return int(self._row.parts_total)

    @property
    def parts_done(self) -> int:
        """How many parts have their result."""
        return self._parts_done

    async def plan(self, parts: Sequence[Part], notes: PlanNotes, *, deadline_s: float) -> None:
        """Store parts and notes, set RUNNING and the deadline."""
        self._status = WorkflowStatus.RUNNING
        self._changes |= {
            "status": self._status.value,
            "notes": jsonb(NOTES, notes),
            "parts_total": len(parts),
            "deadline_at": datetime.fromtimestamp(deadline_s, tz=UTC),
        }
        if parts:
            await self._session.execute(_ADD_PART, [_part_values(self._id, part) for part in parts])

    async def record(self, result: PartResult) -> bool:
        """Keep the first result of a part."""
        values = {"part_id": UUID(result.part_id), "owner": self._id, "found": json_text(PART_RESULT, result)}
        kept = (await self._session.execute(_RECORD, values)).first() is not None
        if kept:
            self._parts_done += 1
            self._changes["parts_done"] = self._parts_done
        return kept

    async def parts(self) -> Sequence[StoredPart]:
        """Return all parts with their results."""
        rows = await self._session.execute(_ALL_PARTS, {"owner": self._id})
        return [
            StoredPart(part=PART.validate_json(part), result=PART_RESULT.validate_json(result) if result else None) for part, result in rows
        ]

    async def leaders(self) -> Sequence[Leader]:
        """Return the first configuration of every part that has one; of the rest of the results nothing is read."""
        rows = await self._session.execute(_LEADERS, {"owner": self._id})
        return [
            Leader(
                cluster_id=row.cluster_id,
                device_name=row.device_name,
                engine=row.engine,
                is_written_off=row.is_written_off,
                configuration=CONFIGURATION.validate_json(row.first),
            )
            for row in rows
        ]

    async def progress(self, step: StepProgress) -> None:
        """Add a progress event with the next seq."""
        await self.emit(self._messages.progress(self.request, step, self._seq))
        self._seq += 1
        self._changes["seq"] = self._seq

    async def emit(self, messages: Sequence[OutgoingMessage]) -> None:
        """Add messages to the outbox, after what is there."""
        self._outgoing.extend(messages)

    async def blacklisted(self, config_keys: Sequence[str]) -> Sequence[Blacklist]:
        """Return the current blacklists of these keys."""
        return await read_blacklists(self._session, config_keys)

    async def finish(self, status: WorkflowStatus, recommendation: Recommendation) -> None:
        """Set the terminal state, store the rows, notify listeners; a terminal state stays as it is."""
        if self._status.is_terminal:
            return
        self._status = status
        self._changes |= {
            "status": status.value,
            "finished_at": datetime.now(tz=UTC),
            "result": jsonb(RECOMMENDATION, recommendation),
        }
        await insert_results(self._session, self.request, recommendation)
        await self._session.execute(_NOTIFY, {"payload": str(self._id)})

    async def cancel(self) -> None:
        """Set CANCELLED and tell all who listen; a terminal state stays as it is, and nothing is told."""
        if self._status.is_terminal:
            return
        now = datetime.now(tz=UTC)
        with following(None, self.request.traceparent):
            await self.progress(cancellation(self._status))
            await self.emit([self._messages.recommendation(cancelled_answer(self._id, created_s=now.timestamp()))])
        self._status = WorkflowStatus.CANCELLED
        self._changes |= {"status": self._status.value, "finished_at": now}

    async def write(self) -> None:
        """Write what was kept; the transaction's last act."""
        if self._changes:
            await self._session.execute(update(_WORKFLOWS).where(_WORKFLOWS.c.id == self._id).values(self._changes))
        if self._outgoing:
            await self._session.execute(_ADD_MESSAGES, [outbox_values(str(self._id), message) for message in self._outgoing])


def _part_values(workflow_id: UUID, part: Part) -> dict[str, Any]:
    return {
        "id": UUID(part.part_id),
        "workflow_id": workflow_id,
        "key": part.key,
        "cluster_id": part.group.cluster_id,
        "device_type": part.group.device_label,
        "engine": part.engine.kind.value,
        "part_text": json_text(PART, part),
    }
