"""Replicas on the real nodes."""

from budsim.core.hardware.topology import place
from budsim.core.ranking.recommendation import PlacedDevices, PlacedReplica, RankedConfiguration
from budsim.core.search.part import Configuration, Part


def placed(part: Part, configuration: Configuration) -> RankedConfiguration:
    """Return a configuration with its replicas on the nodes of its group; fewer where no more find room."""
    candidate = configuration.candidate
    replicas = place(
        part.group,
        tensor_parallel=candidate.tensor_parallel,
        pipeline_parallel=candidate.pipeline_parallel,
        replicas=configuration.replicas,
    )
    placement = tuple(
        PlacedReplica(
            nodes=tuple(
                PlacedDevices(node_id=share.node_id, node_name=share.node_name, devices=share.devices, device_ids=share.device_ids)
                for share in replica.shares
            )
        )
        for replica in replicas
    )
    return RankedConfiguration(part=part, configuration=configuration, placement=placement)


def carried_users(ranked: RankedConfiguration) -> int:
    """Return the users its placed replicas carry."""
    return ranked.replicas * ranked.configuration.candidate.concurrency


def target_users(ranked: RankedConfiguration) -> int:
    """Return the users to be carried, which under an arrival rate depend on the latency."""
    return ranked.part.workload.target_concurrency(ranked.configuration.e2e_s)


def carried_share(ranked: RankedConfiguration) -> float:
    """Return the share of the target it carries, at most 1."""
    return min(1.0, carried_users(ranked) / target_users(ranked))
