"""Reads for the web view."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from budsim.core.ranking.recommendation import Recommendation
from budsim.core.search.part import BlacklistEntry
from budsim.services.ports import WorkflowStatus
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import BlacklistRow, ClusterRow, SimulationResultRow, WorkflowRow
from budsim.storage.values import ENTRY, RECOMMENDATION


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowView:
    """One workflow as the web shows it."""

    id: UUID
    status: WorkflowStatus
    project_id: str | None
    cluster_id: str | None
    token_id: UUID | None
    model: str
    parts_total: int
    parts_done: int
    created_s: float
    finished_s: float | None
    body_hash: str | None
    result: Recommendation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFilter:
    """Which workflows; None means all."""

    status: str | None = None
    project_id: str | None = None
    model: str | None = None
    cluster_id: str | None = None
    created_from_s: float | None = None  # [unix s]
    created_before_s: float | None = None  # [unix s]
    projects: frozenset[str] | None = None  # what the caller's token may see


@dataclass(frozen=True, slots=True, kw_only=True)
class BlacklistView:
    """One live entry and the key it stands under."""

    key: str
    entry: BlacklistEntry


class WorkflowQueries:
    """Reads workflows and their results."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def one(self, workflow_id: UUID) -> WorkflowView | None:
        """Return one workflow."""
        async with transaction(self._sessions) as session:
            row = await session.get(WorkflowRow, workflow_id)
        return _view(row) if row is not None else None

    async def page(self, wanted: WorkflowFilter, *, page: int, limit: int) -> tuple[list[WorkflowView], int]:
        """Return a page of workflows, newest first, and how many there are."""
        conditions = _conditions(wanted)
        query = select(WorkflowRow).where(*conditions).order_by(WorkflowRow.created_at.desc(), WorkflowRow.id)
        async with transaction(self._sessions) as session:
            total = await session.scalar(select(func.count()).select_from(WorkflowRow).where(*conditions)) or 0
            rows = (await session.scalars(query.limit(limit).offset((page - 1) * limit))).all()
        return [_view(row) for row in rows], total

    async def open_count(self) -> int:
        """Return how many workflows are not terminal."""
        is_open = WorkflowRow.status.in_((WorkflowStatus.PENDING, WorkflowStatus.RUNNING))
        async with transaction(self._sessions) as session:
            return await session.scalar(select(func.count()).select_from(WorkflowRow).where(is_open)) or 0

    async def blacklisted_ids(self, workflow_id: UUID) -> frozenset[str]:
        """Return the configurations of a workflow that feedback has marked."""
        marked = (SimulationResultRow.workflow_id == workflow_id, SimulationResultRow.is_blacklisted.is_(True))
        async with transaction(self._sessions) as session:
            return frozenset(str(item) for item in await session.scalars(select(SimulationResultRow.config_id).where(*marked)))

    async def blacklist(self, *, cluster_ids: frozenset[str] | None = None, page: int, limit: int) -> tuple[list[BlacklistView], int]:
        """Return a page of the live entries, by key, and how many there are; `cluster_ids` None means all."""
        conditions: list[ColumnElement[bool]] = [BlacklistRow.expires_at > func.now()]
        if cluster_ids is not None:
            conditions.append(func.regexp_replace(BlacklistRow.key, r"\|[^|]*$", "").in_(cluster_ids))
        query = select(BlacklistRow).where(*conditions).order_by(BlacklistRow.key, BlacklistRow.config_id)
        async with transaction(self._sessions) as session:
            total = await session.scalar(select(func.count()).select_from(BlacklistRow).where(*conditions)) or 0
            rows = (await session.scalars(query.limit(limit).offset((page - 1) * limit))).all()
        return [BlacklistView(key=row.key, entry=ENTRY.validate_python(row.entry)) for row in rows], total

    async def cluster_topology(self, cluster_id: str) -> dict[str, Any] | None:
        """Return a stored topology."""
        async with transaction(self._sessions) as session:
            row = await session.get(ClusterRow, cluster_id)
        return None if row is None else {"topology": row.topology, "updated_at": row.updated_at.isoformat()}


def _conditions(wanted: WorkflowFilter) -> list[ColumnElement[bool]]:
    equal = (
        (WorkflowRow.status, wanted.status),
        (WorkflowRow.project_id, wanted.project_id),
        (WorkflowRow.model_name, wanted.model),
        (WorkflowRow.cluster_id, wanted.cluster_id),
    )
    conditions = [column == value for column, value in equal if value]
    if wanted.created_from_s is not None:
        conditions.append(WorkflowRow.created_at >= datetime.fromtimestamp(wanted.created_from_s, tz=UTC))
    if wanted.created_before_s is not None:
        conditions.append(WorkflowRow.created_at < datetime.fromtimestamp(wanted.created_before_s, tz=UTC))
    if wanted.projects is not None:
        conditions.append(WorkflowRow.project_id.in_(wanted.projects))
    return conditions


def _view(row: WorkflowRow) -> WorkflowView:
    return WorkflowView(
        id=row.id,
        status=WorkflowStatus(row.status),
        project_id=row.project_id,
        cluster_id=row.cluster_id,
        token_id=row.token_id,
        model=row.model_name,
        parts_total=row.parts_total,
        parts_done=row.parts_done,
        created_s=row.created_at.timestamp(),
        finished_s=row.finished_at.timestamp() if row.finished_at else None,
        body_hash=row.body_hash,
        result=RECOMMENDATION.validate_python(row.result) if row.result else None,
    )
