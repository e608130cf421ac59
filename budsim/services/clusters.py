"""Clusters and prices: what the streams tell is stored with the offset it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from budsim.core.errors import Unavailable
from budsim.core.hardware.spec import Cluster
from budsim.services.ports import Clock, ClusterStore, PriceStore, StoredCluster

REBUILD_TRIES = 5


class ClusterKeeper:
    """Keeps topologies as they are reported."""

    def __init__(self, *, clusters: ClusterStore, clock: Clock) -> None:
        self._clusters = clusters
        self._clock = clock

    async def put(self, cluster: Cluster, *, reported_s: float, partition: int, offset: int) -> None:
        """Set a topology that was reported at a time [unix s]; 0, and a time to come, are taken for now."""
        now_s = self._clock.now_s()
        updated_s = min(reported_s or now_s, now_s)
        await self._clusters.put(cluster, updated_s=updated_s, partition=partition, offset=offset)

    async def remove(self, cluster_id: str, *, partition: int, offset: int) -> None:
        """Remove a cluster."""
        await self._clusters.remove(cluster_id, partition=partition, offset=offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """What clusters.v1 says: every cluster it holds, and the next offset of each partition when it was read."""

    clusters: tuple[StoredCluster, ...]
    ends: Mapping[int, int]


class ClusterTopic(Protocol):
    """clusters.v1, read whole."""

    async def snapshot(self) -> ClusterSnapshot:
        """Read from the start to the end; raise Unavailable when it cannot be read."""
        ...


class ReplaceableClusters(ClusterStore, Protocol):
    """A cluster store that can be set as a whole."""

    async def replace(self, snapshot: ClusterSnapshot, *, beyond: Mapping[int, int]) -> tuple[str, ...] | None:
        """Set every cluster to the snapshot and return the ids that it removed; None, and nothing done, when the store is ahead of it.

        Offsets only grow. `beyond` holds stored offsets that lie past the end of the topic: they tell of no newer report.
        """
        ...


async def rebuild_clusters(store: ReplaceableClusters, topic: ClusterTopic) -> tuple[ClusterSnapshot, tuple[str, ...]]:
    """Set the store to what the topic says, also while workers write to it; return what was set and the ids that were removed.

    Raises:
        Unavailable: A dependency is away, or reports come faster than they are read.
    """
    beyond: Mapping[int, int] = {}
    for _ in range(REBUILD_TRIES):
        snapshot = await topic.snapshot()
        removed = await store.replace(snapshot, beyond=beyond)
        if removed is not None:
            return snapshot, removed
        # a worker may have stored a report that came since; if the topic still ends before it, the topic is another one than then
        stored = await store.offsets()
        ends = (await topic.snapshot()).ends
        beyond = {partition: offset for partition, offset in stored.items() if offset >= ends.get(partition, 0)}
    raise Unavailable(
        f"clusters were reported during each of {REBUILD_TRIES} tries", remedy="try again, or stop the flow workers meanwhile"
    )


class PriceKeeper:
    """Keeps streamed prices."""

    def __init__(self, *, prices: PriceStore, clock: Clock) -> None:
        self._prices = prices
        self._clock = clock

    async def put(self, key: str, usd_per_hour: float, *, valid_from_s: float | None) -> None:
        """Set a price, from now on or from the time it names. [unix s]"""
        await self._prices.put(key, usd_per_hour, now_s=self._clock.now_s(), valid_from_s=valid_from_s)

    async def remove(self, key: str) -> None:
        """Remove a price."""
        await self._prices.remove(key)
