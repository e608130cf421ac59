"""clusters.v1 and prices.v1 → PostgreSQL; null removes."""

from collections.abc import Sequence

from budsim.adapters.wire.clusters import reported_cluster
from budsim.services.clusters import ClusterKeeper, PriceKeeper
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, Received, Tombstone
from budsim.stream.loop import Route
from topics.clusters import ClusterUpdated
from topics.prices import PriceUpdated


def clusters_route(keeper: ClusterKeeper, codec: Codec[ClusterUpdated]) -> Route[ClusterUpdated]:
    """Return the route of topologies."""

    async def handle(received: Received[ClusterUpdated]) -> Sequence[OutgoingMessage]:
        record = received.record
        cluster = reported_cluster(received.event, record.key)
        await keeper.put(cluster, reported_s=record.timestamp_s, partition=record.partition, offset=record.offset)
        return ()

    async def remove(tombstone: Tombstone) -> Sequence[OutgoingMessage]:
        record = tombstone.record
        await keeper.remove((record.key or b"").decode("utf-8", "replace"), partition=record.partition, offset=record.offset)
        return ()

    return Route(agent="clusters", codec=codec, handle=handle, tombstone=remove)


def prices_route(keeper: PriceKeeper, codec: Codec[PriceUpdated]) -> Route[PriceUpdated]:
    """Return the route of prices."""

    async def handle(received: Received[PriceUpdated]) -> Sequence[OutgoingMessage]:
        event = received.event
        await keeper.put(_text(received.record.key), event.usd_per_hour, valid_from_s=event.valid_from_s)
        return ()

    async def remove(tombstone: Tombstone) -> Sequence[OutgoingMessage]:
        await keeper.remove(_text(tombstone.record.key))
        return ()

    return Route(agent="prices", codec=codec, handle=handle, tombstone=remove)


def _text(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "replace")
