"""Replicas on the real nodes."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from budsim.core.hardware.placement import Filling, ReplicaPlacement, pack
from budsim.core.ranking.recommendation import PlacedDevices, PlacedReplica, RankedConfiguration


def placed(ranked: RankedConfiguration) -> RankedConfiguration:
    """Return a configuration with its replicas on the nodes of its group; replicas on unnamed devices of one node are one value."""
    candidate = ranked.configuration.candidate
    packing = pack(
        ranked.part.group,
        tensor_parallel=candidate.tensor_parallel,
        pipeline_parallel=candidate.pipeline_parallel,
        replicas=ranked.replicas,
    )
    width = candidate.tensor_parallel * candidate.pipeline_parallel
    whole = chain.from_iterable(_on_one_node(filling, width) for filling in packing.whole)
    return replace(ranked, placement=(*whole, *map(_by_node, packing.crossing)))


def _on_one_node(filling: Filling, width: int) -> Iterator[PlacedReplica]:
    """Yield the replicas of one node, of so many devices each."""
    share = filling.share
    if not share.device_ids:
        unnamed = PlacedDevices(node_id=share.node_id, node_name=share.node_name, devices=width)
        yield from (PlacedReplica(nodes=(unnamed,)),) * filling.replicas
        return
    for first in range(0, filling.replicas * width, width):
        ids = share.device_ids[first : first + width]
        yield PlacedReplica(nodes=(PlacedDevices(node_id=share.node_id, node_name=share.node_name, devices=width, device_ids=ids),))


def _by_node(replica: ReplicaPlacement) -> PlacedReplica:
    """Return what each node gives, over all the stages that stand on it."""
    nodes: dict[str, PlacedDevices] = {}
    for stage in replica.stages:
        before = nodes.get(stage.node_id)
        nodes[stage.node_id] = PlacedDevices(
            node_id=stage.node_id,
            node_name=stage.node_name,
            devices=stage.devices + (before.devices if before else 0),
            device_ids=(before.device_ids if before else ()) + stage.device_ids,
        )
    return PlacedReplica(nodes=tuple(nodes.values()))


def carried_users(ranked: RankedConfiguration) -> int:
    """Return the users its replicas carry."""
    return ranked.replicas * ranked.configuration.candidate.concurrency


def target_users(ranked: RankedConfiguration) -> int:
    """Return the users to be carried, which under an arrival rate depend on the latency."""
    return ranked.part.workload.target_concurrency(ranked.configuration.e2e_s)
