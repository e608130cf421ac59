"""Clusters and prices: what the streams tell is stored with the offset it came from."""

from budsim.core.hardware.spec import Cluster
from budsim.services.ports import Clock, ClusterStore, PriceStore


class ClusterKeeper:
    """Keeps topologies as they are reported."""

    def __init__(self, *, clusters: ClusterStore, clock: Clock) -> None:
        self._clusters = clusters
        self._clock = clock

    async def put(self, cluster: Cluster, *, partition: int, offset: int) -> None:
        """Set a topology."""
        await self._clusters.put(cluster, updated_s=self._clock.now_s(), partition=partition, offset=offset)

    async def remove(self, cluster_id: str, *, partition: int, offset: int) -> None:
        """Remove a cluster."""
        await self._clusters.remove(cluster_id, partition=partition, offset=offset)


class PriceKeeper:
    """Keeps streamed prices."""

    def __init__(self, *, prices: PriceStore) -> None:
        self._prices = prices

    async def put(self, key: str, usd_per_hour: float | None) -> None:
        """Set or remove a price."""
        await self._prices.put(key, usd_per_hour)
