"""Reads for the web view."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from budsim.core.ranking.recommendation import Recommendation
from budsim.services.ports import WorkflowStatus
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import ClusterRow, SimulationResultRow, WorkflowRow
from budsim.storage.values import RECOMMENDATION


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
    projects: frozenset[str] | None = None  # what the caller's token may see


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
        conditions: list[Any] = []
        if wanted.status:
            conditions.append(WorkflowRow.status == wanted.status)
        if wanted.project_id:
            conditions.append(WorkflowRow.project_id == wanted.project_id)
        if wanted.model:
            conditions.append(WorkflowRow.model_name == wanted.model)
        if wanted.projects is not None:
            conditions.append(WorkflowRow.project_id.in_(wanted.projects))
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

    async def cluster_topology(self, cluster_id: str) -> dict[str, Any] | None:
        """Return a stored topology."""
        async with transaction(self._sessions) as session:
            row = await session.get(ClusterRow, cluster_id)
        return None if row is None else {"topology": row.topology, "updated_at": row.updated_at.isoformat()}


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
