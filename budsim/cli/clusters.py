"""`budsim clusters list|rebuild`: what PostgreSQL knows, and setting it to what clusters.v1 says."""

import asyncio
import time
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from budsim.adapters.wire.clusters import reported_cluster
from budsim.app import create_stores
from budsim.cli.ask import clusters
from budsim.cli.kafka import read_to_end
from budsim.cli.output import wide_console
from budsim.config import Settings, load_settings
from budsim.core.errors import InvalidInput
from budsim.services.clusters import ClusterSnapshot, rebuild_clusters
from budsim.services.ports import StoredCluster
from budsim.stream.codec import Codec, DecodeFailure, Record
from topics import catalogue
from topics.clusters import ClusterUpdated

__all__ = ["CompactedClusters", "clusters"]
console = wide_console()


@clusters.command("list")
def list_clusters(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines")] = False) -> None:
    """Show the clusters that PostgreSQL knows.

    Example: budsim clusters list
    """
    found = asyncio.run(create_stores(load_settings()).clusters.all())
    if as_json:
        console.print_json(data=[_summary(item) for item in found])
        return
    table = Table("cluster", "version", "nodes", "devices", "reported")
    for item in found:
        row = _summary(item)
        cells = (row["id"], row["version"] or "", row["nodes"], row["devices"], f"{time.time() - item.updated_s:,.0f} s ago")
        table.add_row(*(str(cell) for cell in cells))
    console.print(table)


@clusters.command()
def rebuild() -> None:
    """Read clusters.v1 from its start, without a group, and set PostgreSQL to what it says; workers may run meanwhile.

    Clusters that the topic does not hold are removed.

    Example: budsim clusters rebuild
    """
    settings = load_settings()
    topic = CompactedClusters(settings)
    snapshot, removed = asyncio.run(rebuild_clusters(create_stores(settings).clusters, topic))
    console.print(f"{len(snapshot.clusters)} clusters set, {len(removed)} removed" + (f": {', '.join(removed)}" if removed else ""))
    for reason in topic.unreadable:
        console.print(f"left out {reason}", highlight=False, markup=False)


class CompactedClusters:
    """clusters.v1, folded to its last valid report of each cluster."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codec = Codec(ClusterUpdated, max_value_bytes=settings.max_value_bytes)
        self.unreadable: list[str] = []

    async def snapshot(self) -> ClusterSnapshot:
        """Read the topic from its start to its end."""
        records, ends = await read_to_end(self._settings.kafka, self._settings.topic_prefix + catalogue.CLUSTERS)
        return ClusterSnapshot(clusters=tuple(self._folded(records)), ends=ends)

    def _folded(self, records: Iterable[Record]) -> Iterable[StoredCluster]:
        """Do as the worker does: a tombstone removes, and what it would dead-letter changes nothing."""
        self.unreadable = []
        found: dict[str, StoredCluster] = {}
        for record in records:
            if record.value is None:
                found.pop((record.key or b"").decode("utf-8", "replace"), None)
                continue
            try:
                stored = self._read(record)
                found[stored.cluster.id] = stored
            except InvalidInput as error:
                self.unreadable.append(f"partition {record.partition} offset {record.offset}: {error}")
        return found.values()

    def _read(self, record: Record) -> StoredCluster:
        decoded = self._codec.decode(record)
        if isinstance(decoded, DecodeFailure):
            raise InvalidInput(decoded.reason)
        return StoredCluster(cluster=reported_cluster(decoded.event, record.key), updated_s=record.timestamp_s)


def _summary(item: StoredCluster) -> dict[str, object]:
    nodes = item.cluster.nodes
    return {
        "id": item.cluster.id,
        "version": item.cluster.version,
        "nodes": len(nodes),
        "devices": sum(device.available_count for node in nodes for device in node.devices),
        "updated": item.updated_s,
    }
