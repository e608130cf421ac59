"""PostgresClusters and PostgresPrices: what the streams reported."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, select, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from budsim.core.hardware.spec import Cluster
from budsim.services.clusters import ClusterSnapshot
from budsim.services.ports import StoredCluster
from budsim.storage.engine import Sessions, autocommit, transaction
from budsim.storage.schema import ClusterOffsetRow, ClusterRow, PriceRow
from budsim.storage.values import CLUSTER, dumped


class PostgresClusters:
    """The ClusterStore."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def find(self, cluster_id: str) -> StoredCluster | None:
        """Return one cluster."""
        async with autocommit(self._sessions) as session:
            row = await session.get(ClusterRow, cluster_id)
        return _stored(row) if row is not None else None

    async def all(self) -> Sequence[StoredCluster]:
        """Return every known cluster."""
        async with autocommit(self._sessions) as session:
            return [_stored(row) for row in await session.scalars(select(ClusterRow).order_by(ClusterRow.id))]

    async def put(self, cluster: Cluster, *, updated_s: float, partition: int, offset: int) -> None:
        """Set a cluster and the offset it came from."""
        async with transaction(self._sessions) as session:
            await session.execute(_upsert(cluster, updated_s))
            await _advance(session, partition, offset)

    async def remove(self, cluster_id: str, *, partition: int, offset: int) -> None:
        """Remove a cluster and keep the offset."""
        async with transaction(self._sessions) as session:
            await session.execute(delete(ClusterRow).where(ClusterRow.id == cluster_id))
            await _advance(session, partition, offset)

    async def replace(self, snapshot: ClusterSnapshot, *, beyond: Mapping[int, int]) -> tuple[str, ...] | None:
        """Set every cluster to the snapshot unless the store is ahead of it; workers wait meanwhile."""
        async with transaction(self._sessions) as session:
            # in the order in which a worker takes them
            await session.execute(text("LOCK TABLE clusters, cluster_offsets IN SHARE ROW EXCLUSIVE MODE"))
            if await _is_ahead(session, snapshot.ends, beyond):
                return None
            kept = [item.cluster.id for item in snapshot.clusters]
            removed = await session.scalars(delete(ClusterRow).where(ClusterRow.id.not_in(kept)).returning(ClusterRow.id))
            for item in snapshot.clusters:
                await session.execute(_upsert(item.cluster, item.updated_s))
            for partition, end in snapshot.ends.items():
                if end > 0:
                    await _advance(session, partition, end - 1)
            return tuple(sorted(removed))

    async def offsets(self) -> dict[int, int]:
        """Return the last offset stored per partition."""
        async with autocommit(self._sessions) as session:
            rows = await session.execute(select(ClusterOffsetRow.partition, ClusterOffsetRow.last_offset))
            return {row.partition: row.last_offset for row in rows}


class PostgresPrices:
    """The PriceStore."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def all(self, *, now_s: float) -> dict[str, float]:
        """Return $/h by key, as valid at this time."""
        valid = _valid(now_s)
        async with autocommit(self._sessions) as session:
            return {row.key: row.usd for row in await session.execute(select(PriceRow.key, valid.label("usd")).where(valid.is_not(None)))}

    async def put(self, key: str, usd_per_hour: float, *, now_s: float, valid_from_s: float | None = None) -> None:
        """Set a price; one that is not valid yet leaves the present one in force until it is."""
        if valid_from_s is None or valid_from_s <= now_s:
            told: dict[str, Any] = {"usd_per_hour": usd_per_hour, "next_usd_per_hour": None, "next_from": None}
            kept: dict[str, Any] = {}
        else:
            told = {"next_usd_per_hour": usd_per_hour, "next_from": datetime.fromtimestamp(valid_from_s, tz=UTC)}
            kept = {"usd_per_hour": _valid(now_s)}
        added = insert(PriceRow).values(key=key, **told)
        async with transaction(self._sessions) as session:
            await session.execute(
                added.on_conflict_do_update(index_elements=[PriceRow.key], set_={**told, **kept, "updated_at": func.now()})
            )

    async def remove(self, key: str) -> None:
        """Remove a price, and the one that would follow it."""
        async with transaction(self._sessions) as session:
            await session.execute(delete(PriceRow).where(PriceRow.key == key))


def _valid(now_s: float) -> ColumnElement[float | None]:
    """Return the price in force at a time: the following one from its beginning on."""
    return case((PriceRow.next_from <= datetime.fromtimestamp(now_s, tz=UTC), PriceRow.next_usd_per_hour), else_=PriceRow.usd_per_hour)


def _upsert(cluster: Cluster, updated_s: float) -> Insert:
    values = {"topology": dumped(CLUSTER, cluster), "updated_at": datetime.fromtimestamp(updated_s, tz=UTC)}
    return insert(ClusterRow).values(id=cluster.id, **values).on_conflict_do_update(index_elements=[ClusterRow.id], set_=values)


async def _is_ahead(session: AsyncSession, ends: Mapping[int, int], beyond: Mapping[int, int]) -> bool:
    """Whether a report was stored that a reading up to `ends` has not seen."""
    rows = await session.execute(select(ClusterOffsetRow.partition, ClusterOffsetRow.last_offset))
    return any(offset >= ends.get(partition, 0) and beyond.get(partition) != offset for partition, offset in rows)


async def _advance(session: AsyncSession, partition: int, offset: int) -> None:
    added = insert(ClusterOffsetRow).values(partition=partition, last_offset=offset)
    await session.execute(
        added.on_conflict_do_update(
            index_elements=[ClusterOffsetRow.partition], set_={"last_offset": func.greatest(ClusterOffsetRow.last_offset, offset)}
        )
    )


def _stored(row: ClusterRow) -> StoredCluster:
    return StoredCluster(cluster=CLUSTER.validate_python(row.topology), updated_s=row.updated_at.timestamp())
