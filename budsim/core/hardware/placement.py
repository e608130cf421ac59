"""Replicas put on the real nodes: which node gives which devices to which stage."""

from dataclasses import dataclass
from heapq import heappop, heappush

from budsim.core.errors import InvalidDeployment
from budsim.core.hardware.spec import HardwareGroup, NodeShare
from budsim.core.hardware.topology import max_replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlacement:
    """The devices of one pipeline stage, all on one node; ids where the cluster named its devices."""

    node_id: str
    node_name: str
    devices: int
    device_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPlacement:
    """The stages of one replica, in pipeline order."""

    stages: tuple[StagePlacement, ...]


def place(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int, replicas: int) -> tuple[ReplicaPlacement, ...]:
    """Return where so many replicas stand.

    Each goes to the node it fills best; one that no node holds alone takes the roomiest nodes first, to cross few of them.

    Args:
        group: Free devices by node.
        tensor_parallel: Devices of one stage. [devices]
        pipeline_parallel: Stages of one replica. [stages]
        replicas: How many to place.

    Raises:
        InvalidDeployment: The nodes do not hold so many.
    """
    held = max_replicas(group, tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel)
    if replicas > held:
        raise InvalidDeployment(
            f"{replicas} replicas of TP {tensor_parallel} × PP {pipeline_parallel} were asked for, "
            f"the {group.total_devices} devices of {group.device_name} on {group.cluster_id} hold {held}.",
            param="replicas",
            remedy=f"Ask for at most {held}." if held else "Choose a layout that the nodes carry.",
        )
    rooms = _Rooms(group.nodes)
    return tuple(_place_one(rooms, tensor_parallel, pipeline_parallel) for _ in range(replicas))


class _Room:
    """What is left of one node while replicas are placed."""

    def __init__(self, share: NodeShare) -> None:
        self._share = share
        self.free = share.devices

    def take(self, devices: int) -> StagePlacement:
        first = self._share.devices - self.free
        self.free -= devices
        return StagePlacement(
            node_id=self._share.node_id,
            node_name=self._share.node_name,
            devices=devices,
            device_ids=self._share.device_ids[first : first + devices],
        )


class _Rooms:
    """The nodes by what is left of them, so that finding one takes as long as there are sizes, not nodes."""

    def __init__(self, shares: tuple[NodeShare, ...]) -> None:
        self._rooms = [_Room(share) for share in shares]
        self._left: dict[int, list[int]] = {}
        for index, room in enumerate(self._rooms):
            self._left.setdefault(room.free, []).append(index)

    def take(self, tensor_parallel: int, missing: int) -> list[StagePlacement]:
        """Return up to so many stages on the tightest node that holds them all, else on the roomiest; the first among equals."""
        wanted = tensor_parallel * missing
        free = min((free for free in self._left if free >= wanted), default=max(self._left))
        index = heappop(self._left[free])
        if not self._left[free]:
            del self._left[free]
        room = self._rooms[index]
        stages = [room.take(tensor_parallel) for _ in range(min(missing, room.free // tensor_parallel))]
        heappush(self._left.setdefault(room.free, []), index)
        return stages


def _place_one(rooms: _Rooms, tensor_parallel: int, pipeline_parallel: int) -> ReplicaPlacement:
    stages: list[StagePlacement] = []
    while len(stages) < pipeline_parallel:
        stages.extend(rooms.take(tensor_parallel, pipeline_parallel - len(stages)))
    return ReplicaPlacement(stages=tuple(stages))
