"""Reads for the web view."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from budsim.core.ranking.recommendation import Recommendation
from budsim.core.search.part import Blacklist, BlacklistEntry
from budsim.core.units import ms_to_seconds
from budsim.services.ports import WorkflowStatus
from budsim.services.request import SimulationRequest
from budsim.storage.blacklist import read_blacklists
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import BlacklistRow, ClusterRow, SimulationResultRow, WorkflowRow
from budsim.storage.values import ENTRY, RECOMMENDATION, REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSummary:
    """One workflow without its answer; `failure` says why there is none."""

    id: UUID
    status: WorkflowStatus
    project_id: str | None
    cluster_id: str | None
    model: str
    parts_total: int
    parts_done: int
    created_s: float
    finished_s: float | None
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowView(WorkflowSummary):
    """One workflow with its answer, if it is in."""

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
    clusters: frozenset[str] | None = None  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class BestConfiguration:
    """A configuration that one workflow would deploy on one cluster, for a person to read."""

    workflow_id: UUID
    cluster_id: str
    engine: str
    device_name: str
    tensor_parallel: int
    pipeline_parallel: int
    replicas: int
    ttft_s: float
    throughput_per_user: float  # [output tokens/s]
    cost_per_million_tokens: float  # [$]
    meets_slo: bool
    is_blacklisted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationOwner:
    """Whose configuration it is."""

    project_id: str | None
    cluster_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlacklistView:
    """One live entry and the key it stands under."""

    key: str
    entry: BlacklistEntry


_FAILURE = WorkflowRow.result["failure"]
_WHY = func.concat_ws(". ", _FAILURE["message"].astext, func.nullif(_FAILURE["remedy"].astext, ""))
_SUMMARY: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...] = (
    WorkflowRow.id,
    WorkflowRow.status,
    WorkflowRow.project_id,
    WorkflowRow.cluster_id,
    WorkflowRow.model_name,
    WorkflowRow.parts_total,
    WorkflowRow.parts_done,
    WorkflowRow.created_at,
    WorkflowRow.finished_at,
    func.nullif(_WHY, "").label("failure"),
)


class WorkflowQueries:
    """Reads workflows and their results."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def one(self, workflow_id: UUID) -> WorkflowView | None:
        """Return one workflow."""
        wanted = select(*_SUMMARY, WorkflowRow.result).where(WorkflowRow.id == workflow_id)
        async with transaction(self._sessions) as session:
            row = (await session.execute(wanted)).first()
        if row is None:
            return None
        return WorkflowView(**_summary_fields(row), result=RECOMMENDATION.validate_python(row.result) if row.result else None)

    async def status(self, workflow_id: UUID) -> WorkflowStatus | None:
        """Return the present state, None of an unknown workflow."""
        async with transaction(self._sessions) as session:
            status = await session.scalar(select(WorkflowRow.status).where(WorkflowRow.id == workflow_id))
        return WorkflowStatus(status) if status else None

    async def request_of(self, workflow_id: UUID) -> SimulationRequest | None:
        """Return the stored request; None where none has come, as of a workflow cancelled before."""
        async with transaction(self._sessions) as session:
            stored = await session.scalar(select(WorkflowRow.request).where(WorkflowRow.id == workflow_id))
        return REQUEST.validate_python(stored) if stored else None

    async def page(self, wanted: WorkflowFilter, *, page: int, limit: int) -> tuple[list[WorkflowSummary], int]:
        """Return a page of workflows, newest first, and how many there are."""
        conditions = _conditions(wanted)
        query = select(*_SUMMARY).where(*conditions).order_by(WorkflowRow.created_at.desc(), WorkflowRow.id)
        async with transaction(self._sessions) as session:
            total = await session.scalar(select(func.count()).select_from(WorkflowRow).where(*conditions)) or 0
            rows = (await session.execute(query.limit(limit).offset((page - 1) * limit))).all()
        return [WorkflowSummary(**_summary_fields(row)) for row in rows], total

    async def best_of(self, workflow_ids: Sequence[UUID]) -> list[BestConfiguration]:
        """Return what each cluster of these workflows deploys, best cluster first: one configuration, or several beside each other."""
        row = SimulationResultRow
        cluster = WorkflowRow.result["clusters"].op("->")(row.cluster_rank)
        together = func.coalesce(cast(cluster.op("->>")("together"), Integer), 1)
        query = (
            select(row)
            .join(WorkflowRow, WorkflowRow.id == row.workflow_id)
            .where(row.workflow_id.in_(workflow_ids), row.rank < together)
            .order_by(row.workflow_id, row.cluster_rank, row.rank)
        )
        async with transaction(self._sessions) as session:
            return [_best(row) for row in await session.scalars(query)]

    async def owner_of(self, config_id: UUID) -> ConfigurationOwner | None:
        """Return whose configuration this is, None if it was never recommended."""
        query = (
            select(WorkflowRow.project_id, SimulationResultRow.cluster_id)
            .join(WorkflowRow, WorkflowRow.id == SimulationResultRow.workflow_id)
            .where(SimulationResultRow.config_id == config_id)
        )
        async with transaction(self._sessions) as session:
            found = (await session.execute(query)).first()
        return None if found is None else ConfigurationOwner(project_id=found.project_id, cluster_id=found.cluster_id)

    async def open_count(self) -> int:
        """Return how many workflows are not terminal."""
        is_open = WorkflowRow.status.in_((WorkflowStatus.PENDING, WorkflowStatus.RUNNING))
        async with transaction(self._sessions) as session:
            return await session.scalar(select(func.count()).select_from(WorkflowRow).where(is_open)) or 0

    async def cluster_count(self) -> int:
        """Return how many clusters are known."""
        async with transaction(self._sessions) as session:
            return await session.scalar(select(func.count()).select_from(ClusterRow)) or 0

    async def blacklists(self, keys: Sequence[str]) -> list[Blacklist]:
        """Return the live entries of each key."""
        async with transaction(self._sessions) as session:
            return await read_blacklists(session, keys)

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
    if wanted.clusters is not None:
        conditions.append(WorkflowRow.cluster_id.in_(wanted.clusters))
    return conditions


def _summary_fields(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": WorkflowStatus(row.status),
        "project_id": row.project_id,
        "cluster_id": row.cluster_id,
        "model": row.model_name,
        "parts_total": row.parts_total,
        "parts_done": row.parts_done,
        "created_s": row.created_at.timestamp(),
        "finished_s": row.finished_at.timestamp() if row.finished_at else None,
        "failure": row.failure,
    }


def _best(row: SimulationResultRow) -> BestConfiguration:
    return BestConfiguration(
        workflow_id=row.workflow_id,
        cluster_id=row.cluster_id,
        engine=row.engine,
        device_name=row.device_name,
        tensor_parallel=row.tp_size,
        pipeline_parallel=row.pp_size,
        replicas=row.replicas,
        ttft_s=ms_to_seconds(row.ttft),
        throughput_per_user=row.throughput_per_user,
        cost_per_million_tokens=row.cost_per_million_tokens,
        meets_slo=row.meets_slo,
        is_blacklisted=row.is_blacklisted,
    )
