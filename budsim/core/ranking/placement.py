"""Replicas on the real nodes."""

from dataclasses import replace

from budsim.core.hardware.placement import ReplicaPlacement, place
from budsim.core.ranking.recommendation import PlacedDevices, PlacedReplica, RankedConfiguration


def placed(ranked: RankedConfiguration) -> RankedConfiguration:
    """Return a configuration with its replicas on the nodes of its group."""
    candidate = ranked.configuration.candidate
    replicas = place(
        ranked.part.group,
        tensor_parallel=candidate.tensor_parallel,
        pipeline_parallel=candidate.pipeline_parallel,
        replicas=ranked.replicas,
    )
    return replace(ranked, placement=tuple(_by_node(replica) for replica in replicas))


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
